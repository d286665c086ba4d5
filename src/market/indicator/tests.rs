//! Every indicator against a slow recomputation that shares no code with it; then drift, bad input,
//! bounds.

use super::*;
use crate::market::book::Top;
use crate::record::Level;
use crate::units::{Lots, Side, Ticks};

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A walk of ticks of 0.1 near 60 000.
fn prices(len: usize) -> Vec<f64> {
    let mut draws = Draws(SEED);
    let mut ticks = 600_000i64;
    let mut step = || {
        ticks += draws.below(41) as i64 - 20;
        ticks as f64 / 10.0
    };
    (0..len).map(|_| step()).collect()
}

fn near(ours: f64, naive: f64, tolerance: f64) -> bool {
    (ours - naive).abs() <= tolerance * naive.abs().max(1.0)
}

/// Walks `naive` over every prefix and compares; `warm_up` values give nothing.
fn assert_follows(
    name: &str,
    len: usize,
    warm_up: usize,
    tolerance: f64,
    mut ours: impl FnMut(usize) -> Option<f64>,
    naive: impl Fn(usize) -> f64,
) {
    for at in 0..len {
        let ours = ours(at);
        assert_eq!(ours.is_some(), at >= warm_up, "{name}: step {at}");
        if let Some(ours) = ours {
            let naive = naive(at);
            assert!(
                near(ours, naive, tolerance),
                "{name} step {at} seed {SEED:#x}: {ours} {naive}"
            );
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    let origin = values[0];
    origin + values.iter().map(|x| x - origin).sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64], divisor: usize) -> f64 {
    let mean = mean(values);
    (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / divisor as f64).sqrt()
}

#[test]
fn means_follow_the_naive_ones() {
    for w in [1, 2, 3, 7, 20, 100] {
        let x = prices(1_000);
        let window = |at: usize| &x[at + 1 - w..=at];
        let mut sma = Sma::new(w).expect("sound");
        assert_follows(
            "sma",
            x.len(),
            w - 1,
            1e-14,
            |at| sma.update(x[at]).unwrap(),
            |at| mean(window(at)),
        );
        let mut wma = Wma::new(w).expect("sound");
        assert_follows(
            "wma",
            x.len(),
            w - 1,
            1e-13,
            |at| wma.update(x[at]).unwrap(),
            |at| {
                let weighted =
                    window(at).iter().zip(1..).map(|(x, k)| x * f64::from(k)).sum::<f64>();
                weighted / (w * (w + 1) / 2) as f64
            },
        );
        let mut ema = Ema::new(w).expect("sound");
        assert_follows(
            "ema",
            x.len(),
            w - 1,
            1e-13,
            |at| ema.update(x[at]).unwrap(),
            |at| {
                let keep = 1.0 - 2.0 / (w as f64 + 1.0);
                let later: f64 =
                    (1..=at).map(|t| (1.0 - keep) * keep.powi((at - t) as i32) * x[t]).sum();
                keep.powi(at as i32) * x[0] + later
            },
        );
    }
}

#[test]
fn deviations_follow_the_naive_ones() {
    for w in [2, 3, 7, 20, 100] {
        let x = prices(1_000);
        let window = |at: usize| &x[at + 1 - w..=at];
        let mut bands = Bollinger::new(w, 2.0).expect("sound");
        // variances are compared: that is where rounding is relative to the distance from the origin
        assert_follows(
            "bollinger",
            x.len(),
            w - 1,
            1e-10,
            |at| bands.update(x[at]).unwrap().map(|bands| (bands.upper - bands.lower).powi(2)),
            |at| 16.0 * deviation(window(at), w).powi(2),
        );
        let mut score = ZScore::new(w).expect("sound");
        assert_follows(
            "zscore",
            x.len(),
            w - 1,
            1e-11,
            |at| score.update(x[at]).unwrap(),
            |at| match deviation(window(at), w) {
                0.0 => 0.0,
                deviation => (x[at] - mean(window(at))) / deviation,
            },
        );
        let returns: Vec<f64> =
            x.windows(2).map(|pair| ((pair[1] - pair[0]) / pair[0]).ln_1p() * 1e4).collect();
        let mut volatility = Volatility::new(w).expect("sound");
        assert_follows(
            "volatility",
            x.len(),
            w,
            1e-13,
            |at| volatility.update(x[at]).unwrap().map(|v| (v * 1e4).powi(2)),
            |at| deviation(&returns[at - w..at], w - 1).powi(2),
        );
    }
}

#[test]
fn wilder_and_macd_follow_the_naive_ones() {
    let x = prices(600);
    for w in [1, 2, 14, 50] {
        // the textbook's way: a plain mean, then (m·(w − 1) + new)/w
        let wilder = |changes: &[f64]| {
            let seed = changes[..w].iter().sum::<f64>() / w as f64;
            changes[w..].iter().fold(seed, |m, new| (m * (w as f64 - 1.0) + new) / w as f64)
        };
        let part = |at: usize, sign: f64| {
            let changes: Vec<f64> =
                x[..=at].windows(2).map(|pair| (sign * (pair[1] - pair[0])).max(0.0)).collect();
            wilder(&changes)
        };
        let mut rsi = Rsi::new(w).expect("sound");
        assert_follows(
            "rsi",
            x.len(),
            w,
            1e-10,
            |at| rsi.update(x[at]).unwrap(),
            |at| {
                let (gain, loss) = (part(at, 1.0), part(at, -1.0));
                if gain + loss == 0.0 { 50.0 } else { 100.0 - 100.0 / (1.0 + gain / loss) }
            },
        );
        let bar = |at: usize| (x[at] + (at % 7) as f64, x[at] - (at % 5) as f64, x[at]);
        let mut atr = Atr::new(w).expect("sound");
        let update = |at: usize| {
            let (high, low, close) = bar(at);
            atr.update(high, low, close).unwrap()
        };
        assert_follows("atr", x.len(), w - 1, 1e-11, update, |at| {
            let ranges: Vec<f64> = (0..=at)
                .map(|t| {
                    let (high, low, _) = bar(t);
                    let Some(before) = t.checked_sub(1).map(|t| bar(t).2) else {
                        return high - low;
                    };
                    (high - low).max((high - before).abs()).max((low - before).abs())
                })
                .collect();
            wilder(&ranges)
        });
    }
    let ema = |values: &[f64], w: usize| -> Vec<f64> {
        let rate = 2.0 / (w as f64 + 1.0);
        let mut means = vec![values[0]];
        for x in &values[1..] {
            means.push(rate * x + (1.0 - rate) * means[means.len() - 1]);
        }
        means
    };
    let line: Vec<f64> = ema(&x, 12).iter().zip(ema(&x, 26)).map(|(a, b)| a - b).collect();
    let signal = ema(&line, 9);
    let mut macd = Macd::new(12, 26, 9).expect("sound");
    assert_follows(
        "macd",
        x.len(),
        33,
        1e-10,
        |at| macd.update(x[at]).unwrap().map(|m| m.histogram),
        |at| line[at] - signal[at],
    );
}

#[test]
fn vwap_follows_the_naive_one() {
    let (x, mut draws) = (prices(1_000), Draws(SEED));
    let v: Vec<f64> = x.iter().map(|_| draws.below(4) as f64 * 0.001).collect();
    for w in [1, 3, 20, 100] {
        let (mut vwap, mut session) = (Vwap::new(w).expect("sound"), SessionVwap::new());
        for at in 0..x.len() {
            let naive = |from: usize| {
                let volume: f64 = v[from..=at].iter().sum();
                let value: f64 = (from..=at).map(|t| (x[t] - 60_000.0) * v[t]).sum();
                (volume > 0.0).then(|| 60_000.0 + value / volume)
            };
            let ours = vwap.update(x[at], v[at]).unwrap();
            let whole = session.update(x[at], v[at]).unwrap();
            let expected = if at + 1 < w { None } else { naive(at + 1 - w) };
            for (ours, naive) in [(ours, expected), (whole, naive(0))] {
                assert_eq!(ours.is_some(), naive.is_some(), "w {w} step {at}");
                let (ours, naive) = (ours.unwrap_or(0.0), naive.unwrap_or(0.0));
                assert!(near(ours, naive, 1e-12), "w {w} step {at} {ours} {naive}");
            }
        }
    }
}

fn top(bid: (i64, i64), ask: (i64, i64)) -> Top {
    let level = |(price, lots)| Some(Level { price: Ticks(price), lots: Lots(lots) });
    Top { bid: level(bid), ask: level(ask) }
}

#[test]
fn flow_imbalance_follows_the_paper() {
    // one event of each kind, w = 1: (before, after, what it adds)
    let cases = [
        (((10, 5), (11, 7)), ((10, 8), (11, 7)), 3.0), // bid grows
        (((10, 5), (11, 7)), ((11, 4), (12, 7)), 11.0), // bid rises (+4), ask retreats (+7)
        (((10, 5), (11, 7)), ((9, 6), (11, 7)), -5.0), // bid falls
        (((10, 5), (11, 7)), ((10, 5), (11, 9)), -2.0), // ask grows
        (((10, 5), (12, 7)), ((10, 5), (11, 3)), -3.0), // ask undercut
    ];
    for ((bid, ask), (bid_after, ask_after), adds) in cases {
        let mut flow = FlowImbalance::new(1).expect("sound");
        assert_eq!(flow.update(&top(bid, ask)), Ok(None));
        assert_eq!(flow.update(&top(bid_after, ask_after)), Ok(Some(adds)));
        assert_eq!(flow.share(), Some(f64::signum(adds)));
    }
    let mut flow = FlowImbalance::new(2).expect("sound");
    assert_eq!(flow.update(&top((10, 5), (11, 7))), Ok(None));
    assert_eq!(flow.update(&Top::default()), Err(Unusable::OneSided));
    assert_eq!(flow.update(&top((10, -5), (11, 7))), Err(Unusable::Lots(-5)));
    assert_eq!(flow.update(&top((10, 8), (11, 7))), Ok(None));
    assert_eq!(flow.update(&top((10, 8), (11, 8))), Ok(Some(2.0)));
    assert_eq!(flow.share(), Some(0.5));
    flow.break_off();
    assert_eq!(flow.update(&top((90, 1), (91, 1))), Ok(Some(2.0)));
}

#[test]
fn vpin_follows_lot_by_lot_counting() {
    for (bucket, n, largest) in [(1, 1, 5), (10, 3, 7), (10, 3, 200), (97, 50, 60)] {
        let mut draws = Draws(SEED);
        let mut vpin = Vpin::new(Lots(bucket), n).expect("sound");
        let mut signs: Vec<i64> = Vec::new();
        for _ in 0..2_000 {
            let (side, lots) = (draws.below(2), draws.below(largest) as i64);
            let (side, sign) = if side == 0 { (Side::Buy, 1) } else { (Side::Sell, -1) };
            let ours = vpin.update(side, Lots(lots)).unwrap();
            signs.extend((0..lots).map(|_| sign));
            let full: Vec<i64> =
                signs.chunks_exact(bucket as usize).map(|b| b.iter().sum()).collect();
            let naive = (full.len() >= n).then(|| {
                let one_sided: i64 = full[full.len() - n..].iter().map(|sum| sum.abs()).sum();
                one_sided as f64 / (n as i64 * bucket) as f64
            });
            assert_eq!(ours.is_some(), naive.is_some());
            assert!(near(ours.unwrap_or(0.0), naive.unwrap_or(0.0), 1e-14), "{bucket} {n}");
            // what is older than the window cannot matter any more
            let keep = bucket as usize * (n + 1);
            if signs.len() > 2 * keep {
                let whole = (signs.len() - keep) / bucket as usize * bucket as usize;
                signs.drain(..whole);
            }
        }
    }
    let mut vpin = Vpin::new(Lots(2), 4).expect("sound");
    assert_eq!(vpin.update(Side::Buy, Lots(1 << 60)), Ok(Some(1.0)), "bounded however large");
    assert_eq!(vpin.update(Side::Buy, Lots(-1)), Err(Unusable::Lots(-1)));
}

/// Ten million updates far from zero: no drift beyond what the last two windows can hold.
#[test]
fn sums_do_not_drift() {
    const UPDATES: usize = 10_000_000;
    const W: usize = 100;
    let (mut sma, mut wma) = (Sma::new(W).unwrap(), Wma::new(W).unwrap());
    let (mut bands, mut vwap) = (Bollinger::new(W, 1.0).unwrap(), Vwap::new(W).unwrap());
    let mut draws = Draws(SEED);
    let mut last = Vec::new();
    for at in 0..UPDATES {
        let x = 1e9 + draws.below(1_000) as f64 * 0.01;
        let v = 0.001 * (1 + draws.below(9)) as f64;
        sma.update(x).unwrap();
        wma.update(x).unwrap();
        bands.update(x).unwrap();
        vwap.update(x, v).unwrap();
        if at + W >= UPDATES {
            last.push((x, v));
        }
    }
    // exact in integers: x is 1e9 plus hundredths
    let cents = |x: f64| ((x - 1e9) * 100.0).round() as i64;
    let sum: i64 = last.iter().map(|(x, _)| cents(*x)).sum();
    let exact = 1e9 + sum as f64 / (100 * W) as f64;
    assert!((sma.value().unwrap() - exact).abs() < 2.5e-7, "{}", sma.value().unwrap() - exact);
    let weighted: i64 = last.iter().zip(1..).map(|((x, _), k)| cents(*x) * k).sum();
    let exact = 1e9 + weighted as f64 / (100 * W * (W + 1) / 2) as f64;
    assert!((wma.value().unwrap() - exact).abs() < 2.5e-7, "{}", wma.value().unwrap() - exact);
    let mean = sum as f64 / W as f64;
    let squares: f64 = last.iter().map(|(x, _)| (cents(*x) as f64 - mean).powi(2)).sum();
    let exact = (squares / W as f64).sqrt() / 100.0;
    let bands = bands.value().unwrap();
    let ours = (bands.upper - bands.lower) / 2.0;
    assert!((ours / exact - 1.0).abs() < 1e-6, "{ours} {exact}");
    let volume: f64 = last.iter().map(|(_, v)| v).sum();
    let value: f64 = last.iter().map(|(x, v)| cents(*x) as f64 * v).sum();
    let exact = 1e9 + value / volume / 100.0;
    assert!((vwap.value().unwrap() - exact).abs() < 2.5e-7);
}

#[test]
fn bad_input_changes_nothing() {
    let x = prices(200);
    let mut clean = (Sma::new(20).unwrap(), Rsi::new(14).unwrap(), Volatility::new(20).unwrap());
    let mut dirty = clean.clone();
    for (at, x) in x.iter().enumerate() {
        let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300][at % 4];
        assert!(matches!(dirty.0.update(bad), Err(Unusable::Value(_))));
        assert!(matches!(dirty.1.update(bad), Err(Unusable::Value(_))));
        for bad in [bad, 0.0, -1.0, 1e-310] {
            assert!(matches!(dirty.2.update(bad), Err(Unusable::Price(_))));
        }
        assert_eq!(clean.0.update(*x), dirty.0.update(*x));
        assert_eq!(clean.1.update(*x), dirty.1.update(*x));
        assert_eq!(clean.2.update(*x), dirty.2.update(*x));
    }
    let mut vwap = Vwap::new(2).unwrap();
    assert_eq!(vwap.update(1.0, -1.0), Err(Unusable::Size(-1.0)));
    assert_eq!(
        Atr::new(2).unwrap().update(1.0, 2.0, 1.5),
        Err(Unusable::Bar { low: 2.0, high: 1.0 })
    );
    assert!(Unusable::Price(-1.0).to_string().contains("must be positive"));
}

/// A huge value spoils its window, and nothing after the sums were renewed.
#[test]
fn an_outlier_is_forgotten() {
    let mut bands = Bollinger::new(10, 1.0).unwrap();
    bands.update(1e60).unwrap();
    for at in 0..30 {
        bands.update(f64::from(at % 2)).unwrap();
    }
    let bands = bands.value().unwrap();
    assert!(near(bands.middle, 0.5, 1e-15) && near(bands.upper, 1.0, 1e-15), "{bands:?}");
}

#[test]
fn settings_are_checked() {
    let bad = |window, least| BadSettings::Window { window, least };
    assert_eq!(Sma::new(0).err(), Some(bad(0, 1)));
    assert_eq!(Ema::new(0).err(), Some(bad(0, 1)));
    assert_eq!(Wma::new(WINDOW_MAX + 1).err(), Some(bad(WINDOW_MAX + 1, 1)));
    assert_eq!(Rsi::new(0).err(), Some(bad(0, 1)));
    assert_eq!(Atr::new(0).err(), Some(bad(0, 1)));
    assert_eq!(Vwap::new(0).err(), Some(bad(0, 1)));
    assert_eq!(ZScore::new(1).err(), Some(bad(1, 2)));
    assert_eq!(Volatility::new(1).err(), Some(bad(1, 2)));
    assert_eq!(FlowImbalance::new(0).err(), Some(bad(0, 1)));
    assert_eq!(Vpin::new(Lots(0), 5).err(), Some(BadSettings::Bucket(0)));
    assert_eq!(Vpin::new(Lots(5), 0).err(), Some(bad(0, 1)));
    assert_eq!(Macd::new(26, 12, 9).err(), Some(BadSettings::Order { fast: 26, slow: 12 }));
    assert_eq!(Macd::new(12, 26, 0).err(), Some(bad(0, 1)));
    assert_eq!(Bollinger::new(20, -1.0).err(), Some(BadSettings::Width(-1.0)));
    assert!(Bollinger::new(20, f64::NAN).is_err());
}

#[test]
fn flat_prices_have_an_answer() {
    let (mut rsi, mut score) = (Rsi::new(3).unwrap(), ZScore::new(3).unwrap());
    let mut volatility = Volatility::new(3).unwrap();
    for _ in 0..10 {
        rsi.update(5.0).unwrap();
        score.update(5.0).unwrap();
        volatility.update(5.0).unwrap();
    }
    assert_eq!((rsi.value(), score.value()), (Some(50.0), Some(0.0)));
    assert_eq!(volatility.value(), Some(0.0));
}
