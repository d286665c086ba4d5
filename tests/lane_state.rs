//! A lane saved in the middle of its life and brought back goes on as if nothing had happened; and what
//! a recorder is told is enough to repeat every judgement of the gate.

use bot4::cli::config::Config;
use bot4::host::cpu::Simd;
use bot4::host::probe::NoProbe;
use bot4::hot::lane::{Lane, LaneConfig};
use bot4::hot::outbox::Outbox;
use bot4::hot::pipeline::Pipeline;
use bot4::hot::recorder::Recorder;
use bot4::lab::exchange::{Exchange, ExchangeSettings, QueueModel};
use bot4::lab::replay;
use bot4::record::{Digest, ExecutionKind, Input, Instrument, Judgement, Stamp, Tape, TapeError};
use bot4::units::{LaneId, Nanos, UnixNanos, VenueId};
use bot4::venue::binance::{Family, metadata};

const CONFIG: LaneConfig = LaneConfig { lane: LaneId(0), family: Family::UsdM, epoch: 1 };
/// A prime, so that lanes are saved between all kinds of inputs.
const SAVE_EVERY: u64 = 997;

/// A second lane that lives by what the recorder is told, and is saved and brought back on the way.
struct Shadow {
    instruments: Vec<Instrument>,
    lane: Lane,
    outbox: Outbox,
    judged: usize,
    saves: u64,
    /// What the recorder leaves out, for the canary: the n-th fill.
    forgets: Option<u64>,
    fills: u64,
    differs: bool,
}

fn saved(lane: &mut Lane) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut tape = Tape::saving(&mut bytes);
    lane.walk(&mut tape);
    tape.finish().expect("saving cannot fail");
    bytes
}

fn loaded(bytes: &[u8], instruments: &[Instrument]) -> Result<Lane, TapeError> {
    let mut lane = Lane::new(CONFIG, instruments);
    let mut tape = Tape::loading(bytes);
    lane.walk(&mut tape);
    tape.finish().map(|()| lane)
}

impl Shadow {
    fn new(instruments: &[Instrument], forgets: Option<u64>) -> Shadow {
        let mut outbox = Outbox::new();
        outbox.keep_judgements(true);
        let lane = Lane::new(CONFIG, instruments);
        let instruments = instruments.to_vec();
        Shadow { instruments, lane, outbox, judged: 0, saves: 0, forgets, fills: 0, differs: false }
    }
}

impl Recorder for Shadow {
    fn has_room(&mut self, _: &Input<'_>) -> bool {
        true
    }

    fn input(&mut self, stamp: Stamp, input: &Input<'_>) {
        self.differs |= self.judged < self.outbox.judgements().len();
        self.judged = 0;
        self.outbox.clear();
        if matches!(input, Input::Execution(report) if report.kind == ExecutionKind::Fill) {
            self.fills += 1;
            if self.forgets == Some(self.fills) {
                return;
            }
        }
        self.lane.step(stamp, *input, &mut NoProbe, &mut self.outbox);
        if stamp.sequence.is_multiple_of(SAVE_EVERY) {
            let bytes = saved(&mut self.lane);
            self.lane = loaded(&bytes, &self.instruments).expect("it was saved");
            assert_eq!(saved(&mut self.lane), bytes, "saved again it is the same");
            self.saves += 1;
        }
    }

    fn digest(&mut self, _: Stamp, digest: &Digest) {
        self.differs |= self.lane.digest() != *digest;
    }

    fn note(&mut self, _: Nanos, _: &str) {}
    fn end(&mut self, _: Nanos) {}
    fn is_fine(&self) -> bool {
        true
    }
    fn trouble(&self) -> String {
        String::new()
    }
    fn holds_back(&self) -> bool {
        false
    }

    fn judgement(&mut self, _: Stamp, judgement: &Judgement) {
        self.differs |= self.outbox.judgements().get(self.judged) != Some(judgement);
        self.judged += 1;
    }
}

/// Trades twenty seconds with a shadow; both lanes' hashes, and the shadow.
fn trade(seed: u64, forgets: Option<u64>) -> (u64, u64, Shadow) {
    let names = ["BTCUSDT", "ETHUSDT"];
    let instruments = metadata::embedded(Family::UsdM, VenueId(0), &names).expect("embedded");
    let plan = Config::default().plan(LaneId(0), &instruments, 1).expect("the example's plan");
    let settings = ExchangeSettings {
        family: Family::UsdM,
        seed,
        rate: 1_000.0,
        latency_in: Nanos(200_000),
        latency_out: Nanos(200_000),
        queue_model: QueueModel::Optimistic,
        diff_period: Nanos::from_millis(100),
        wall_at_zero: UnixNanos(1_723_161_255_000_000_000),
    };
    let mut exchange = Exchange::generated(&settings, &instruments).expect("a market");
    let lane = Pipeline::new(Family::UsdM, CONFIG, &instruments, Simd::detect(), UnixNanos(0));
    let mut lane = lane.recording(Shadow::new(&instruments, forgets));
    let until = Some(Nanos(20 * Nanos::SECOND.0));
    let inputs = replay::record(&mut lane, &mut exchange, &plan, until).inputs();
    assert!(inputs > 10_000, "{inputs} inputs");
    let hash = lane.lane().state_hash();
    let shadow = std::mem::replace(lane.recorder(), Shadow::new(&instruments, None));
    (hash, shadow.lane.state_hash(), shadow)
}

#[test]
fn a_lane_brought_back_goes_on_as_if_nothing_had_happened() {
    for seed in [1, 2] {
        let (hash, shadow_hash, shadow) = trade(seed, None);
        assert_eq!(hash, shadow_hash, "seed {seed}");
        assert!(!shadow.differs, "seed {seed}: a judgement was another");
        assert!(shadow.saves > 10, "seed {seed}: saved {} times", shadow.saves);
        let report = shadow.lane.report();
        assert!(report.orders.sent > 20 && report.orders.filled > 0, "{report:?}");
    }
}

#[test]
fn canary_a_forgotten_fill_is_noticed() {
    let (hash, shadow_hash, shadow) = trade(1, Some(3));
    assert_ne!(hash, shadow_hash);
    assert!(shadow.differs, "positions bend the quotes");
}

#[test]
fn a_spoilt_byte_never_brings_back_the_same_lane() {
    let (_, hash, mut shadow) = trade(3, None);
    let bytes = saved(&mut shadow.lane);
    let mut refused = 0;
    for at in (0..bytes.len()).step_by(bytes.len() / 300) {
        let mut spoilt = bytes.clone();
        spoilt[at] ^= 0x80;
        match loaded(&spoilt, &shadow.instruments) {
            Err(_) => refused += 1,
            Ok(mut lane) => assert_ne!(saved(&mut lane), bytes, "byte {at}, hash {hash}"),
        }
    }
    assert!(refused > 0, "lengths and codes are among the bytes");
}
