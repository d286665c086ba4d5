//! Promise 1 on real and generated streams: the same inputs give the same orders and the same state,
//! with and without the venue, with and without AVX2.

mod shared_folder;

use bot4::cli::config::Config;
use bot4::cli::config::QueueModel;
use bot4::cli::replay_capture::{ReplayReport, prepare, replay};
use bot4::host::cpu::Simd;
use bot4::host::probe::NoProbe;
use bot4::hot::lane::LaneConfig;
use bot4::hot::pipeline::Pipeline;
use bot4::lab::exchange::{Exchange, ExchangeSettings};
use bot4::lab::replay::{self as inputs, Recording};
use bot4::units::{LaneId, Nanos, UnixNanos, VenueId};
use bot4::venue::binance::{Family, metadata};
use shared_folder::shared;
use std::path::PathBuf;

const LATENCY: Nanos = Nanos(200_000);

fn captures(test: &str) -> Vec<PathBuf> {
    let Some(data) = shared("data", test) else { return Vec::new() };
    let names = [
        "binance-usdm/btcusdt_20240808.gz",
        "binance-cm/btcusd_perp_20240808.gz",
        "binance-spot/btcusdt_20240808.gz",
    ];
    names.iter().map(|name| data.join(name)).filter(|file| file.exists()).collect()
}

fn run(file: &PathBuf, model: QueueModel) -> ReplayReport {
    replay(std::slice::from_ref(file), None, model.model(), LATENCY).unwrap()
}

#[test]
fn two_replays_of_a_capture_give_the_same_orders_and_state() {
    let files = captures("two replays");
    let mut differ = 0;
    for file in &files {
        let (first, second) =
            (run(file, QueueModel::Proportional), run(file, QueueModel::Proportional));
        assert_eq!(first.state_hash, second.state_hash, "{}", file.display());
        assert_eq!(first.orders_hash, second.orders_hash, "{}", file.display());
        assert_eq!(first.lane, second.lane);
        assert!(first.orders > 20 && first.lane.orders.filled > 0, "{}: idle", file.display());
        assert_eq!(first.lane.orders.working, 0, "{}: orders left behind", file.display());
        assert_eq!(first.lane.inputs.gaps, 0, "{}", file.display());
        let other = run(file, QueueModel::Pessimistic);
        differ += usize::from(first.orders_hash != other.orders_hash);
    }
    assert!(files.is_empty() || differ > 0, "the queue model must matter somewhere");
}

#[test]
fn scalar_and_avx2_lanes_end_in_the_same_state() {
    for file in captures("scalar and avx2") {
        let model = QueueModel::Proportional.model();
        let mut prepared = prepare(std::slice::from_ref(&file), None, model, LATENCY).unwrap();
        let mut scalar = prepared.pipeline(Simd::Scalar);
        let (recording, _) = prepared.record(&mut scalar).unwrap();
        let mut wide = prepared.pipeline(Simd::detect());
        let mut requests = 0u64;
        inputs::play(&recording, &mut wide, &mut NoProbe, &mut |_, _| requests += 1);
        assert_eq!(scalar.lane().state_hash(), wide.lane().state_hash());
        assert_eq!(requests, wide.lane().report().inputs.requests);
        assert_eq!(wide.fallbacks(), 0, "{}", file.display());
    }
}

fn settings(family: Family, seed: u64) -> ExchangeSettings {
    ExchangeSettings {
        family,
        seed,
        rate: 2_000.0,
        latency_in: LATENCY,
        latency_out: LATENCY,
        queue_model: QueueModel::Proportional.model(),
        diff_period: Nanos::from_millis(100),
        wall_at_zero: UnixNanos(1_723_161_255_000_000_000),
    }
}

fn generated(seed: u64, seconds: u64) -> (Pipeline, Recording) {
    let config = Config::default();
    let instruments = metadata::embedded(Family::UsdM, VenueId(0), &["BTCUSDT"]).expect("embedded");
    let plan = config.plan(LaneId(0), &instruments, 1).expect("the example's plan");
    let mut exchange = Exchange::generated(&settings(Family::UsdM, seed), &instruments).unwrap();
    let mut pipeline = fresh(&instruments);
    let until = Nanos(seconds * 1_000_000_000);
    let recording = inputs::record(&mut pipeline, &mut exchange, &plan, Some(until));
    (pipeline, recording)
}

fn fresh(instruments: &[bot4::record::Instrument]) -> Pipeline {
    let config = LaneConfig { lane: LaneId(0), family: Family::UsdM, epoch: 1 };
    Pipeline::new(Family::UsdM, config, instruments, Simd::detect(), UnixNanos(0))
}

#[test]
fn a_generated_market_trades_and_repeats_itself() {
    let (first, recording) = generated(7, 20);
    let report = first.lane().report();
    println!("{report:#?}");
    assert!(report.orders.acked > 10, "{report:?}");
    assert!(report.orders.filled + report.orders.partly_filled > 0, "{report:?}");
    assert_eq!(report.orders.working, 0, "the halt cancels everything");
    assert_eq!(report.inputs.faults + report.inputs.gaps, 0);
    let (again, _) = generated(7, 20);
    assert_eq!(first.lane().state_hash(), again.lane().state_hash());
    let (other, _) = generated(8, 20);
    assert_ne!(first.lane().state_hash(), other.lane().state_hash(), "the seed must matter");
    let instruments = metadata::embedded(Family::UsdM, VenueId(0), &["BTCUSDT"]).unwrap();
    let mut alone = fresh(&instruments);
    inputs::play(&recording, &mut alone, &mut NoProbe, &mut |_, _| {});
    assert_eq!(first.lane().state_hash(), alone.lane().state_hash());
    assert_eq!(first.lane().orders_hash(), alone.lane().orders_hash());
}
