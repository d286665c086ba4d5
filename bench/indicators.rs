//! Indicators: batch kernels AVX2 against scalar, many series and one, and ns per streaming update.

#[path = "indicator_cases.rs"]
mod indicator_cases;

use bot4::market::book::Top;
use bot4::market::indicator as streaming;
use bot4::record::Level;
use bot4::units::{Lots, Side, Ticks};
use indicator_cases::{Draws, KERNELS, MANY, ONE, WINDOW, compare};
use std::hint::black_box;
use std::time::Instant;

/// Updates of one timed walk, and walks of which the fastest counts.
const UPDATES: usize = 65_536;
const WALKS: usize = 15;

fn batch_table() {
    println!("{:<12} {:>28} {:>28}", "", "many series, ns per value", "one series, ns per value");
    println!(
        "{:<12} {:>9} {:>9} {:>8} {:>9} {:>9} {:>8}",
        "kernel", "scalar", "avx2", "ratio", "scalar", "avx2", "ratio"
    );
    let mut logs = [(0.0, 0); 2];
    for kernel in KERNELS {
        print!("{:<12}", kernel.name());
        for (shape, (sum, count)) in [MANY, ONE].into_iter().zip(&mut logs) {
            let Some([scalar, wide]) = compare(kernel, shape) else {
                println!(" the twins differ");
                std::process::exit(1);
            };
            if shape == ONE && kernel.is_recurrence() {
                print!(" {scalar:>9.3} {wide:>9.3} {:>8}", "exempt");
                continue;
            }
            print!(" {scalar:>9.3} {wide:>9.3} {:>7.2}x", scalar / wide);
            *sum += (scalar / wide).ln();
            *count += 1;
        }
        println!();
    }
    for (name, (sum, count)) in ["many series", "one series"].into_iter().zip(logs) {
        println!("geometric mean, {name}: {:.2}x", (sum / f64::from(count)).exp());
    }
}

/// What an update may see: price, size, aggressor's side, touch.
struct Tick {
    price: f64,
    size: f64,
    lots: Lots,
    side: Side,
    top: Top,
}

fn ticks() -> Vec<Tick> {
    let mut draws = Draws(0x9E37_79B9_7F4A_7C15);
    let mut at = 600_000i64;
    let mut tick = || {
        at += (draws.next() * 9.0) as i64 - 4;
        let lots = (draws.next() * 1_000.0) as i64;
        let side = if draws.next() < 0.5 { Side::Buy } else { Side::Sell };
        let level = |ticks: i64| Some(Level { price: Ticks(ticks), lots: Lots(lots + 1) });
        let top = Top { bid: level(at), ask: level(at + 1) };
        Tick { price: at as f64 * 0.1, size: lots as f64 * 0.001, lots: Lots(lots), side, top }
    };
    (0..UPDATES).map(|_| tick()).collect()
}

/// Smallest mean ns per update over a walk.
fn walk(ticks: &[Tick], mut update: impl FnMut(&Tick) -> f64) -> f64 {
    let once = |update: &mut dyn FnMut(&Tick) -> f64| {
        let start = Instant::now();
        for tick in ticks {
            black_box(update(tick));
        }
        start.elapsed().as_nanos() as f64 / ticks.len() as f64
    };
    (0..WALKS).map(|_| once(&mut update)).fold(f64::INFINITY, f64::min)
}

/// Makes a row of the streaming table: constructor, then update.
macro_rules! row {
    ($ticks:ident, $name:literal, $new:expr, |$it:ident, $tick:ident| $update:expr) => {{
        let mut $it = $new.expect("sound settings");
        let time = walk(&$ticks, |$tick| $update);
        println!("{:<20} {time:>6.2}", $name);
    }};
}

fn streaming_table() {
    let ticks = ticks();
    println!("\n{:<20} {:>6}", "streaming", "ns per update");
    let some =
        |value: Result<Option<f64>, streaming::Unusable>| value.ok().flatten().unwrap_or(0.0);
    row!(ticks, "sma", streaming::Sma::new(WINDOW), |it, tick| some(it.update(tick.price)));
    row!(ticks, "ema", streaming::Ema::new(WINDOW), |it, tick| some(it.update(tick.price)));
    row!(ticks, "wma", streaming::Wma::new(WINDOW), |it, tick| some(it.update(tick.price)));
    row!(ticks, "rsi", streaming::Rsi::new(14), |it, tick| some(it.update(tick.price)));
    row!(ticks, "macd", streaming::Macd::new(12, 26, 9), |it, tick| it
        .update(tick.price)
        .ok()
        .flatten()
        .map_or(0.0, |out| out.histogram));
    row!(ticks, "bollinger", streaming::Bollinger::new(WINDOW, 2.0), |it, tick| it
        .update(tick.price)
        .ok()
        .flatten()
        .map_or(0.0, |out| out.upper));
    row!(ticks, "atr", streaming::Atr::new(14), |it, tick| some(it.update(
        tick.price + 1.0,
        tick.price - 1.0,
        tick.price
    )));
    row!(ticks, "vwap, window", streaming::Vwap::new(WINDOW), |it, tick| some(
        it.update(tick.price, tick.size)
    ));
    row!(ticks, "vwap, session", Some(streaming::SessionVwap::new()), |it, tick| some(
        it.update(tick.price, tick.size)
    ));
    row!(ticks, "volatility", streaming::Volatility::new(WINDOW), |it, tick| some(
        it.update(tick.price)
    ));
    row!(ticks, "zscore", streaming::ZScore::new(WINDOW), |it, tick| some(it.update(tick.price)));
    row!(ticks, "flow imbalance", streaming::FlowImbalance::new(WINDOW), |it, tick| some(
        it.update(&tick.top)
    ));
    row!(ticks, "vpin", streaming::Vpin::new(Lots(10_000), 50), |it, tick| some(
        it.update(tick.side, tick.lots)
    ));
}

fn main() {
    batch_table();
    streaming_table();
}
