//! Error bars of measures, by resampling.

use super::{MeasureArgs, MeasureFailure};
use crate::cli::output;
use crate::history::Panel;
use crate::risk::bootstrap::{Bootstrap, RESAMPLES_MAX, RESAMPLES_MIN, block_length};
use crate::risk::measures::{ErrorBars, error_bars};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Error bars of every column, on as many threads as there are cores.
pub(super) fn bars(
    args: &MeasureArgs,
    panel: &Panel,
    calendar: f64,
    benchmark: Option<&[f64]>,
) -> Result<BTreeMap<String, ErrorBars>, MeasureFailure> {
    let Some(resamples) = args.bootstrap else { return Ok(BTreeMap::new()) };
    let allowed = RESAMPLES_MIN..=RESAMPLES_MAX;
    if !allowed.contains(&resamples) {
        let (least, most) = (allowed.start(), allowed.end());
        let words = format!("--bootstrap {resamples}: give {least} to {most} resamples");
        return Err(MeasureFailure::Arguments(words));
    }
    if let Some(block) = args.block
        && !(block >= 1.0 && block <= panel.rows() as f64)
    {
        let words = format!("--block {block}: give 1 to {} periods", panel.rows());
        return Err(MeasureFailure::Arguments(words));
    }
    let next = AtomicUsize::new(0);
    let progress = output::progress(panel.symbols().len());
    let work = || {
        let mut found = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(returns) = panel.columns().get(at) else { return found };
            let block = args.block.unwrap_or_else(|| block_length(returns));
            let how = Bootstrap { resamples, block, seed: args.seed };
            let bars = error_bars(returns, calendar, args.risk_free, &args.level, benchmark, &how);
            found.push((panel.symbols()[at].clone(), bars));
            progress.inc(1);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let all = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| worker.join().expect("Invariant: no panic"));
        joined.flatten().collect::<Vec<_>>()
    });
    progress.finish_and_clear();
    let named = all.into_iter().map(|(column, bars)| match bars {
        Ok(bars) => Ok((column, bars)),
        Err(error) => Err(MeasureFailure::Measure { column, error }),
    });
    named.collect()
}

/// Intervals for eyes.
pub(super) fn write(text: &mut String, column: &str, bars: &ErrorBars) {
    // writing to a String cannot fail
    let _ =
        writeln!(text, "{column}: 95 % of the resamples, in blocks of {:.1} periods", bars.block);
    for (name, spread) in [
        ("cagr", bars.cagr),
        ("volatility", bars.volatility),
        ("sharpe", bars.sharpe),
        ("sortino", bars.sortino),
        ("omega", bars.omega),
        ("max drawdown", bars.max_drawdown),
        ("calmar", bars.calmar),
        ("VaR", bars.var),
        ("ES", bars.es),
        ("beta", bars.beta),
    ] {
        if let Some(spread) = spread {
            let _ = writeln!(text, "  {name:<14} {:>9.4} to {:>9.4}", spread.low, spread.high);
        }
    }
}
