//! Twins on real captures and on mutated real messages: same event or same refusal.

use super::infer::GridGuess;
use super::{DecodeErrorKind, Decoder};
use crate::host::cpu::Simd;
use crate::record::{Instrument, MarketEvent};
use crate::units::VenueId;
use crate::venue::binance::Family;
use flate2::read::GzDecoder;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

/// Frames in the venue's shapes, one of each kind and family, for machines without captures.
const SAMPLES: [(Family, &str); 14] = [
    (
        Family::UsdM,
        r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT","U":5123107832006,"u":5123107837557,"pu":5123107831937,"b":[["58710.20","0.014"],["61496.50","0.010"],["61510.90","0.000"]],"a":[["61800.30","1.211"]]}}"#,
    ),
    (
        Family::UsdM,
        r#"{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}}"#,
    ),
    (
        Family::UsdM,
        r#"{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}"#,
    ),
    (
        Family::UsdM,
        r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1626992741575,"a":16599292,"s":"BTCUSDT","p":"61800.10","q":"10","f":23961322,"l":23961322,"T":1626992741421,"m":false}}"#,
    ),
    (
        Family::UsdM,
        r#"{"lastUpdateId":5123107852948,"E":1723161256501,"T":1723161256493,"bids":[["61800.20","2.909"],["61800.10","0.696"]],"asks":[]}"#,
    ),
    (
        Family::CoinM,
        r#"{"stream":"btcusd_perp@depth@0ms","data":{"e":"depthUpdate","E":1723161257440,"T":1723161257432,"s":"BTCUSD_PERP","ps":"BTCUSD","U":1007198631260,"u":1007198631565,"pu":1007198631198,"b":[],"a":[["61773.6","1001"],["61776.4","412"]]}}"#,
    ),
    (
        Family::CoinM,
        r#"{"stream":"btcusd_perp@bookTicker","data":{"u":1007198632021,"e":"bookTicker","s":"BTCUSD_PERP","ps":"BTCUSD","b":"61804.7","B":"35","a":"61804.8","A":"1645","T":1723161257465,"E":1723161257476}}"#,
    ),
    (
        Family::CoinM,
        r#"{"lastUpdateId":1007198635033,"E":1723161257835,"T":1723161257823,"symbol":"BTCUSD_PERP","pair":"BTCUSD","bids":[["61804.7","35"]],"asks":[["61804.8","8"]]}"#,
    ),
    (
        Family::Spot,
        r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":50093239189,"u":50093239202,"b":[["61737.63000000","0.00000000"],["61730.17000000","123456789.00000000"]],"a":[["61837.64000000","1.54698000"]]}}"#,
    ),
    (
        Family::Spot,
        r#"{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}"#,
    ),
    (
        Family::Spot,
        r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}"#,
    ),
    (
        Family::Spot,
        r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1633998523963,"s":"BTCUSDT","a":15683430,"p":"0.35280000","q":"58.00000000","f":19862790,"l":19862790,"T":1633998523963,"m":false,"M":true}}"#,
    ),
    (
        Family::Spot,
        r#"{"lastUpdateId":50093239218,"bids":[["61837.63000000","3.78826000"]],"asks":[["61837.64000000","0.61700000"]]}"#,
    ),
    (
        Family::Spot,
        r#"{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1633998523963,"s":"BTCUSDT","k":{"t":1,"o":"0.35270000"}}}"#,
    ),
];

fn samples(family: Family) -> Vec<Vec<u8>> {
    let of = SAMPLES.iter().filter(|(of, _)| *of == family);
    of.map(|(_, text)| text.as_bytes().to_vec()).collect()
}

fn instruments(family: Family, frames: &[Vec<u8>]) -> Vec<Instrument> {
    let mut guess = GridGuess::new(Some(family));
    for frame in frames {
        guess.observe(frame).expect("a real frame");
    }
    guess.instruments(VenueId(0))
}

/// Decoders of all kinds over the same instruments.
struct Twins {
    general: Decoder,
    fast: [Decoder; 2],
}

impl Twins {
    fn new(family: Family, instruments: &[Instrument]) -> Twins {
        let decoder = |simd| Decoder::new(family, instruments, simd);
        Twins { general: decoder(Simd::Scalar), fast: [decoder(Simd::Scalar), decoder(Simd::Avx2)] }
    }

    /// The same as a lane has them: a size between two lots is no refusal.
    fn rounding_sizes(self) -> Twins {
        let Twins { general, fast } = self;
        Twins { general: general.rounding_sizes(), fast: fast.map(Decoder::rounding_sizes) }
    }

    /// The answer all twins agree on, or what they disagree on.
    fn agreed(&mut self, frame: &[u8]) -> Result<String, String> {
        let general = self.general.decode_general(None, frame).map_err(|error| error.kind());
        for fast in &mut self.fast {
            let answer = fast.decode(frame).map_err(|error| error.kind());
            if !same(&answer, &general) {
                let text = String::from_utf8_lossy(frame);
                return Err(format!("{text}\n fast {answer:?}\n general {general:?}"));
            }
        }
        Ok(kind(&general).to_owned())
    }
}

type Answer<'a> = Result<MarketEvent<'a>, DecodeErrorKind>;

fn same(one: &Answer<'_>, other: &Answer<'_>) -> bool {
    one == other
}

fn kind(answer: &Answer<'_>) -> &'static str {
    match answer {
        Ok(MarketEvent::Depth(_)) => "depthUpdate",
        Ok(MarketEvent::Snapshot(_)) => "snapshot",
        Ok(MarketEvent::Ticker(_)) => "bookTicker",
        Ok(MarketEvent::Trade(trade)) if trade.aggregated => "aggTrade",
        Ok(MarketEvent::Trade(_)) => "trade",
        Ok(MarketEvent::Other) => "other",
        Err(_) => "refused",
    }
}

fn shared() -> PathBuf {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into();
    std::env::var_os("BOT4_SHARED").map_or_else(beside, PathBuf::from).join("data")
}

/// Frames of a capture in either line format; headers and blank lines are left out.
fn capture(name: &str) -> Option<Vec<Vec<u8>>> {
    let file = std::fs::File::open(shared().join(name)).ok()?;
    let mut text = Vec::new();
    GzDecoder::new(file).read_to_end(&mut text).expect("a whole gzip file");
    let frame = |line: &[u8]| {
        let stamp = line.iter().position(|byte| *byte == b' ')?;
        let time = line[..stamp].strip_suffix(b":").unwrap_or(&line[..stamp]);
        let numeric = time.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
        (numeric && !time.is_empty()).then(|| line[stamp + 1..].to_vec())
    };
    Some(text.split(|byte| *byte == b'\n').filter_map(frame).collect())
}

const CAPTURES: [(Family, &str, &str); 6] = [
    (Family::UsdM, "binance-usdm/btcusdt_20240808.gz", "binance-usdm/btcusdt_20240808.gz"),
    (Family::CoinM, "binance-cm/btcusd_perp_20240808.gz", "binance-cm/btcusd_perp_20240808.gz"),
    (Family::CoinM, "binance-cm/btcusd_perp_20240809.gz", "binance-cm/btcusd_perp_20240809.gz"),
    (Family::Spot, "binance-spot/btcusdt_20240808.gz", "binance-spot/btcusdt_20240808.gz"),
    (Family::Spot, "multi-venue-ws/BINANCE.ws.1.0.gz", "multi-venue-ws/BINANCE"),
    (Family::UsdM, "multi-venue-ws/BINANCE_FUTURES.ws.1.0.gz", "multi-venue-ws/BINANCE_FUTURES"),
];

#[test]
fn twins_agree_on_every_real_frame_without_a_fallback() {
    let Ok(expected) = std::fs::read(shared().join("expected_shared.json")) else {
        eprintln!("SKIPPED (1): twins_agree_on_every_real_frame: no shared data");
        return;
    };
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    for (family, name, key) in CAPTURES {
        let frames = capture(name).expect(name);
        let mut twins = Twins::new(family, &instruments(family, &frames));
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for frame in &frames {
            let kind = twins.agreed(frame).unwrap_or_else(|why| panic!("{name}: {why}"));
            *counts.entry(kind).or_default() += 1;
        }
        let klines = expected[key]["messages_by_type"]["kline"].as_u64();
        assert_eq!(counts.remove("other"), klines, "{name}");
        for (kind, count) in counts {
            let wanted = expected[key]["messages_by_type"][&kind].as_u64();
            assert_eq!(wanted, Some(count), "{name} {kind}");
        }
        assert_eq!(twins.fast.each_ref().map(Decoder::fallbacks), [0, 0], "{name}");
    }
}

#[test]
fn samples_of_every_kind_are_read_without_a_fallback() {
    for family in [Family::Spot, Family::UsdM, Family::CoinM] {
        let frames = samples(family);
        let mut twins = Twins::new(family, &instruments(family, &frames));
        for frame in &frames {
            let kind = twins.agreed(frame).unwrap();
            assert_ne!(kind, "refused", "{}", String::from_utf8_lossy(frame));
        }
        assert_eq!(twins.fast.each_ref().map(Decoder::fallbacks), [0, 0], "{family:?}");
    }
}

#[test]
fn every_cut_of_a_frame_is_refused() {
    for family in [Family::Spot, Family::UsdM, Family::CoinM] {
        let frames = samples(family);
        let mut twins = Twins::new(family, &instruments(family, &frames));
        for frame in &frames {
            for len in 0..frame.len() {
                assert_eq!(twins.agreed(&frame[..len]).unwrap(), "refused", "cut at {len}");
            }
        }
    }
}

#[test]
fn refusals_say_what_is_wrong() {
    let known = instruments(Family::UsdM, &samples(Family::UsdM));
    let mut decoder = Decoder::new(Family::UsdM, &known, Simd::detect());
    let trade = |change: (&str, &str)| SAMPLES[2].1.replacen(change.0, change.1, 1);
    for (change, kind) in [
        (("BTCUSDT", "ETHUSDT"), DecodeErrorKind::UnknownSymbol),
        (("BTCUSDT", "BTCUSDT\0"), DecodeErrorKind::Malformed),
        (("61800.30", "61800.35"), DecodeErrorKind::OffGrid),
        (("61800.30", "061800.3"), DecodeErrorKind::NotANumber),
        (("61800.30", ""), DecodeErrorKind::NotANumber),
        (("61800.30", "6e4"), DecodeErrorKind::NotANumber),
        (("61800.30", "-1"), DecodeErrorKind::NotANumber),
        (("61800.30", "99999999999999999999"), DecodeErrorKind::TooLarge),
        (("\"q\":\"0.006\",", ""), DecodeErrorKind::MissingField),
        (("\"m\":false", "\"m\":0"), DecodeErrorKind::WrongType),
        (("\"q\"", "\"p\""), DecodeErrorKind::DuplicateKey),
        (("false}", "false}}"), DecodeErrorKind::Malformed),
    ] {
        let refused = decoder.decode(trade(change).as_bytes()).unwrap_err();
        assert_eq!(refused.kind(), kind, "{change:?}: {refused}");
    }
    let unknown = decoder.decode(trade(("BTCUSDT", "ETHUSDT")).as_bytes()).unwrap_err();
    assert!(unknown.to_string().contains("ETHUSDT"));
    let fund = decoder.decode(trade(("MARKET", "INSURANCE_FUND")).as_bytes().to_vec().as_slice());
    assert!(matches!(fund, Ok(MarketEvent::Trade(trade)) if !trade.on_book));
}

#[test]
fn a_lane_takes_a_size_between_two_lots_for_the_lower_one() {
    let known = instruments(Family::Spot, &samples(Family::Spot));
    let trade = |size: &str| SAMPLES[10].1.replacen("0.02000000", size, 1);
    let mut strict = Twins::new(Family::Spot, &known);
    let mut lane = Twins::new(Family::Spot, &known).rounding_sizes();
    for (size, lots) in [
        ("25.42618900", 2_542_618),
        ("0.00000900", 0),
        ("0.00001999999999999", 1),
        ("0.02000000", 2_000),
        ("0.0200000000000000000000000001", 2_000),
    ] {
        let frame = trade(size);
        let exact = size == "0.02000000";
        let wanted = if exact { "trade" } else { "refused" };
        assert_eq!(strict.agreed(frame.as_bytes()).unwrap(), wanted, "{size}");
        assert_eq!(lane.agreed(frame.as_bytes()).unwrap(), "trade", "{size}");
        let read = lane.fast[1].decode(frame.as_bytes());
        let Ok(MarketEvent::Trade(trade)) = read else { panic!("{size}: {read:?}") };
        assert_eq!(trade.lots.0, lots, "{size}");
    }
    for (from, to) in [("61837.63000000", "61837.63123456"), ("0.02000000", "1e1")] {
        let frame = SAMPLES[10].1.replacen(from, to, 1);
        assert_eq!(lane.agreed(frame.as_bytes()).unwrap(), "refused", "{to}");
    }
}

#[test]
fn more_levels_than_the_scratch_holds_are_refused() {
    let known = instruments(Family::UsdM, &samples(Family::UsdM));
    let mut twins = Twins::new(Family::UsdM, &known);
    let level = r#"["61800.20","1"],"#;
    for (count, wanted) in [(super::LEVELS_MAX, "snapshot"), (super::LEVELS_MAX + 1, "refused")] {
        let levels = level.repeat(count);
        let levels = levels.trim_end_matches(',');
        let frame = format!(r#"{{"lastUpdateId":1,"bids":[{levels}],"asks":[]}}"#);
        assert_eq!(twins.agreed(frame.as_bytes()).unwrap(), wanted);
    }
}

#[test]
fn canary_a_changed_digit_is_noticed() {
    let known = instruments(Family::UsdM, &samples(Family::UsdM));
    let mut one = Decoder::new(Family::UsdM, &known, Simd::detect());
    let mut other = one.clone();
    for (_, text) in SAMPLES.iter().take(5) {
        let spoiled = text.replacen(".20", ".10", 1).replacen(".30", ".10", 1);
        let spoiled = spoiled.replacen("\"10\"", "\"11\"", 1);
        let honest = one.decode(text.as_bytes()).map_err(|error| error.kind());
        let spoiled = other.decode(spoiled.as_bytes()).map_err(|error| error.kind());
        assert!(!same(&honest, &spoiled), "{text}");
    }
}

/// One way to spoil a frame.
#[derive(Clone, Debug)]
enum Mutation {
    Flip { at: usize, bit: u8 },
    Delete { at: usize, len: usize },
    Insert { at: usize, what: u8 },
    Cut { at: usize },
    Digit { at: usize, digit: u8 },
    SwapFields { at: usize },
    RepeatField { at: usize },
    Space { at: usize },
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let at = any::<usize>();
    let one = prop_oneof![
        (at, 0u8..8).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
        (at, 1usize..12).prop_map(|(at, len)| Mutation::Delete { at, len }),
        (at, prop_oneof![Just(b'0'), Just(b'"'), Just(b'.'), Just(b'\\'), Just(b','), any::<u8>()])
            .prop_map(|(at, what)| Mutation::Insert { at, what }),
        at.prop_map(|at| Mutation::Cut { at }),
        (at, 0u8..10).prop_map(|(at, digit)| Mutation::Digit { at, digit }),
        at.prop_map(|at| Mutation::SwapFields { at }),
        at.prop_map(|at| Mutation::RepeatField { at }),
        at.prop_map(|at| Mutation::Space { at }),
    ];
    proptest::collection::vec(one, 1..4)
}

fn apply(mutation: &Mutation, frame: &mut Vec<u8>) {
    if frame.is_empty() {
        return;
    }
    let len = frame.len();
    let place = |at: usize| at % len;
    match *mutation {
        Mutation::Flip { at, bit } => frame[place(at)] ^= 1 << bit,
        Mutation::Delete { at, len: count } => {
            let from = place(at);
            frame.drain(from..(from + count).min(len));
        }
        Mutation::Insert { at, what } => frame.insert(place(at), what),
        Mutation::Cut { at } => frame.truncate(place(at)),
        Mutation::Digit { at, digit } => {
            let digits: Vec<usize> = (0..len).filter(|i| frame[*i].is_ascii_digit()).collect();
            if !digits.is_empty() {
                frame[digits[at % digits.len()]] = b'0' + digit;
            }
        }
        Mutation::SwapFields { at } => fields(frame, at, |fields, i| {
            let j = (i + 1) % fields.len();
            fields.swap(i, j);
        }),
        Mutation::RepeatField { at } => fields(frame, at, |fields, i| {
            let again = fields[i].clone();
            fields.push(again);
        }),
        Mutation::Space { at } => {
            let gaps: Vec<usize> = (0..len).filter(|i| b",:{}[]".contains(&frame[*i])).collect();
            if !gaps.is_empty() {
                frame.insert(gaps[at % gaps.len()] + 1, b" \n\t\r"[at % 4]);
            }
        }
    }
}

/// Edits the fields of the innermost object that holds the event, split at `,"`.
fn fields(frame: &mut Vec<u8>, at: usize, edit: impl Fn(&mut Vec<String>, usize)) {
    let Ok(text) = String::from_utf8(frame.clone()) else { return };
    let Some(open) = text.rfind('{') else { return };
    let close = text[open..].find('}').map_or(text.len(), |close| open + close);
    let mut parts: Vec<String> = Vec::new();
    for part in text[open + 1..close].split(",\"") {
        match parts.last_mut() {
            Some(last) if !part.contains("\":") => last.push_str(&format!(",\"{part}")),
            Some(_) => parts.push(format!("\"{part}")),
            None => parts.push(part.to_owned()),
        }
    }
    let index = at % parts.len();
    edit(&mut parts, index);
    *frame = format!("{}{}{}", &text[..=open], parts.join(","), &text[close..]).into_bytes();
}

/// Frames to mutate: real ones where there are captures, a spread over each file.
fn pool(family: Family) -> Vec<Vec<u8>> {
    let mut frames = samples(family);
    for (of, name, _) in CAPTURES {
        if of == family && name.contains("btc") {
            let real = capture(name).unwrap_or_default();
            frames.extend(real.iter().filter(|frame| frame.len() < 4_000).step_by(97).cloned());
        }
    }
    frames
}

fn mutated_frames_agree(family: Family) {
    let frames = pool(family);
    let known = instruments(family, &frames);
    let mut twins = [Twins::new(family, &known), Twins::new(family, &known).rounding_sizes()];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let twins = std::cell::RefCell::new(&mut twins);
    let cases = (any::<prop::sample::Index>(), mutations());
    let outcome = runner.run(&cases, |(index, mutations)| {
        let mut frame = index.get(&frames).clone();
        mutations.iter().for_each(|mutation| apply(mutation, &mut frame));
        let mut twins = twins.borrow_mut();
        twins.iter_mut().try_for_each(|of| of.agreed(&frame).map(drop)).map_err(TestCaseError::fail)
    });
    outcome.unwrap_or_else(|why| panic!("{family:?}: {why}"));
}

#[test]
fn twins_agree_on_mutated_spot_frames() {
    mutated_frames_agree(Family::Spot);
}

#[test]
fn twins_agree_on_mutated_usdm_frames() {
    mutated_frames_agree(Family::UsdM);
}

#[test]
fn twins_agree_on_mutated_coinm_frames() {
    mutated_frames_agree(Family::CoinM);
}
