//! Risk of what is held. Level 5.
//!
//! `holdings` turns a portfolio and a history into what kernels revalue; `process` fits what moves the
//! factors; `value_at_risk` puts the two together and measures the tail, by plain paths or by a `reduction`
//! of their variance, whose `sample` says how it errs; `forecast` says the next period's tail day after
//! day, `backtest` whether it held, `evidence` which model that speaks for; `stress` values stated
//! scenarios and `events` what happened before. `sizing` and `leverage` say how much may be held, `regime`
//! what the market allows, `budget` what a book has used, `drawdown` what a fall leaves; `measures` says
//! what a series of returns achieved, `bootstrap` and `sharpe` how much that says.

pub mod backtest;
pub mod bootstrap;
pub mod budget;
pub mod drawdown;
pub mod events;
pub mod evidence;
pub mod forecast;
pub mod holdings;
pub mod leverage;
pub mod measures;
pub mod process;
pub mod reduction;
pub mod regime;
pub mod sample;
pub mod sharpe;
pub mod sizing;
pub mod stress;
pub mod value_at_risk;
