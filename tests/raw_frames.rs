//! `journal.raw_frames`: both streams' frames stand in the journal as they came, each before what it
//! said; what the venue says of the key does not; and inputs never want for room because of frames.

mod bot4_process;
mod fine_keeper;

use bot4::cli::config::Config;
use bot4::host::byte_ring::byte_ring;
use bot4::host::cpu::Simd;
use bot4::host::disk::{Access, DiskKind, open};
use bot4::host::probe::NoProbe;
use bot4::hot::lane::{Lane, LaneConfig};
use bot4::hot::pipeline::Pipeline;
use bot4::hot::recorder::{RESERVE_WORDS, Recorder, RingRecorder};
use bot4::journal::Reader;
use bot4::record::{Entry, EntryKind, Input, Instrument, Link, Scratch};
use bot4::units::{LaneId, Nanos, UnixNanos, VenueId};
use bot4::venue::binance::decode::Decoder;
use bot4::venue::binance::orders::{OrderMessage, ReportDecoder};
use bot4::venue::binance::{Family, metadata};
use bot4_process::{Ended, Folder};
use fine_keeper::Fine;
use std::path::Path;
use std::sync::Arc;

const FAMILY: Family = Family::UsdM;
const TICKER: &[u8] = br#"{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BTCUSDT","b":"25.30","B":"31.210","a":"25.40","A":"40.660"}"#;

/// What the frames of one lane came to.
#[derive(Debug, Default)]
struct Found {
    market: u64,
    orders: u64,
    other: u64,
    differs: Vec<u64>,
}

/// Decodes every frame again, and compares with the inputs that follow it.
fn compare(lane: &Path) -> Found {
    let mut disk = open(DiskKind::Plain, lane, Access::Read).expect("a journal");
    let mut reader = Reader::open(&mut *disk, 1).expect("a journal");
    let (mut scratch, mut found) = (Scratch::new(), Found::default());
    let mut instruments: Vec<Instrument> = Vec::new();
    let mut frame: Option<(Link, Nanos, Vec<u8>)> = None;
    while let Some(record) = reader.next().expect("as written") {
        let (number, at) = (record.sequence, record.time);
        match Entry::read(record.kind, record.words, &mut scratch).expect("an entry") {
            Entry::Instrument(of) => instruments.push(of),
            Entry::RawFrame { link, bytes } => frame = Some((link, at, bytes.to_vec())),
            Entry::Input { input: Input::Market(event), .. } => {
                // a whole book comes over REST, and is no frame
                let Some((Link::Market, _, text)) = frame.take_if(|of| of.1 == at) else {
                    found.other += 1;
                    continue;
                };
                let mut decoder =
                    Decoder::new(FAMILY, &instruments, Simd::detect()).rounding_sizes();
                let again = decoder.decode(&text).expect("it was decoded before");
                found.market += 1;
                if again != event {
                    found.differs.push(number);
                }
            }
            Entry::Input { input: Input::Execution(report), .. } => {
                // an answer of two reports has one frame
                let Some((Link::Orders, _, text)) = frame.as_ref().filter(|of| of.1 == at) else {
                    found.other += 1;
                    continue;
                };
                let mut decoder = ReportDecoder::new(FAMILY, &instruments);
                let same = match decoder.decode(text).expect("it was decoded before") {
                    OrderMessage::Report(again) => again == report,
                    OrderMessage::Response(answer) => answer.reports().any(|of| of == report),
                    _ => false,
                };
                found.orders += 1;
                if !same {
                    found.differs.push(number);
                }
            }
            _ => {}
        }
    }
    found
}

#[test]
fn a_run_keeps_the_frames_of_both_streams() {
    let home = Folder::new();
    let (config, journal) =
        (format!("{}/config.toml", home.path()), format!("{}/journal", home.path()));
    std::fs::write(&config, "[journal]\nraw_frames = true\n").expect("a file of our own");
    let arguments = ["run", "--config", &config, "--for", "5s", "--json", "--journal", &journal];
    let ended = Ended::of(&arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let report = ended.json();
    assert_eq!(report["allocations_after_warmup"], 0, "{report}");
    let mut orders = 0;
    for lane in ["lane-0", "lane-1"] {
        let found = compare(&Path::new(&journal).join(lane));
        assert!(found.market > 500 && found.other <= 8, "{lane}: {found:?}");
        assert!(found.differs.is_empty(), "{lane}: {found:?}");
        orders += found.orders;
    }
    assert!(orders > 0, "reports came as frames");
    let replay = Ended::of(&["replay", &journal]);
    assert_eq!(replay.code, Some(0), "frames change nothing: {}", replay.errors);
    shown(&journal);
}

/// `audit show` leads from an order's life to the frame that told of it.
fn shown(journal: &str) {
    let list = Ended::of(&["audit", "show", journal, "--json"]).json();
    let listed = list["listed"].as_array().expect("a list");
    let name = listed[0]["order"].as_str().and_then(|name| name.split(' ').next());
    let name = name.expect("its client id");
    let life = Ended::of(&["audit", "show", journal, "--order", name, "--json"]).json();
    let events = life["events"].as_array().expect("events");
    let frame = events.iter().find_map(|event| event["detail"]["frame_record"].as_u64());
    let frame = frame.unwrap_or_else(|| panic!("no frame told of it: {life}")).to_string();
    let told = Ended::of(&["audit", "show", journal, "--record", &frame, "--json"]).json();
    let told = told["records"].as_array().expect("one per lane");
    let lane = told.iter().find(|of| of["lane"] == life["lane"]).expect("its lane");
    assert_eq!(lane["kind"], "raw_frame");
    assert!(lane["text"].as_str().is_some_and(|text| text.contains(name)), "{lane}");
    let beyond = Ended::of(&["audit", "show", journal, "--record", "99999999"]);
    assert_eq!(beyond.code, Some(1));
    assert!(beyond.errors.contains("no lane has a record 99999999"), "{}", beyond.errors);
}

fn pipeline(words: usize) -> (Pipeline<RingRecorder>, bot4::host::byte_ring::ByteConsumer) {
    let listed = metadata::embedded(FAMILY, VenueId(0), &["BTCUSDT"]).expect("embedded");
    let (producer, consumer) = byte_ring(words, RESERVE_WORDS);
    let config = LaneConfig { lane: LaneId(0), family: FAMILY, epoch: 1 };
    let lane = Lane::new(config, &listed);
    let recorder = RingRecorder::new(producer, Arc::new(Fine), 1, false).keeping_frames(true);
    let lane = Pipeline::with(lane, FAMILY, &listed, Simd::detect(), UnixNanos(0));
    let mut lane = lane.recording(recorder);
    let plan = Config::default().plan(LaneId(0), &listed, 1).expect("the example's plan");
    assert!(lane.on_input(Input::Plan(&plan), Nanos(0), &mut NoProbe, &mut |_, _| {}));
    (lane, consumer)
}

#[test]
fn frames_are_left_out_before_inputs_want_for_room() {
    let (mut lane, mut consumer) = pipeline(8 * RESERVE_WORDS);
    let mut frames = 0u64;
    while !lane.take_overflow() {
        frames += 1;
        assert!(frames < 1_000_000, "a ring that is never full");
        lane.on_market(TICKER, Nanos(frames), &mut NoProbe, &mut |_, _| {});
    }
    let counts = lane.counts();
    let (mut kept, mut inputs) = (0u64, 0u64);
    while let Some((tag, _)) = consumer.front() {
        kept += u64::from(tag == u32::from(EntryKind::RawFrame.code()));
        inputs += u64::from(tag == u32::from(EntryKind::Ticker.code()));
        consumer.pop();
    }
    assert_eq!((kept + counts.frames_left_out, inputs), (frames, frames - 1), "the last: no room");
    assert!(kept > 100, "while half of the ring is free they are kept: {kept}");
    assert!(counts.frames_left_out > kept / 2, "{counts:?}: beyond that inputs have it alone");
    lane.on_market(TICKER, Nanos(frames), &mut NoProbe, &mut |_, _| {});
    assert_eq!(lane.counts().frames_left_out, counts.frames_left_out, "there is room again");
    assert!(lane.recorder().is_fine());
}

#[test]
fn what_may_name_the_key_is_not_kept() {
    let (mut lane, mut consumer) = pipeline(8 * RESERVE_WORDS);
    let said: [(&[u8], bool); 6] = [
        (br#"{"id":"s0000000000000001","status":200,"result":{"apiKey":"k3y"}}"#, false),
        (br#"{"status":200,"result":{"apiKey":"k3y"}}"#, false),
        (br#"{"e":"listenKeyExpired","E":1736996475556,"listenKey":"k3y"}"#, false),
        (br#"{"id":"s1","result":{"apiKey":"k3y""#, false),
        (br#"{"e":"ACCOUNT_UPDATE","E":1,"T":1,"a":{"m":"ORDER","B":[],"P":[]}}"#, true),
        (b"[1,2", true),
    ];
    for (text, keeps) in said {
        while consumer.pop() {}
        lane.on_report(text, Nanos(1), &mut NoProbe, &mut |_, _| {});
        let mut kept = false;
        while let Some((tag, words)) = consumer.front() {
            let bytes: &[u8] = bytemuck::cast_slice(words);
            kept |= tag == u32::from(EntryKind::RawFrame.code());
            assert!(!bytes.windows(3).any(|piece| piece == b"k3y"), "{}", text.escape_ascii());
            consumer.pop();
        }
        assert_eq!(kept, keeps, "{}", text.escape_ascii());
    }
}
