//! The arguments that limit the risk of the whole, shared by the commands that hold a book to them.

use clap::Args;

/// Limits of the whole.
#[derive(Clone, Copy, Debug, Args)]
pub struct RiskLimitArgs {
    /// Volatility a year
    #[arg(long, default_value_t = 0.2, value_name = "SHARE", allow_negative_numbers = true)]
    pub target_volatility: f64,
    /// Value at risk of a period, at --level
    #[arg(long, default_value_t = 0.02, value_name = "SHARE", allow_negative_numbers = true)]
    pub var_max: f64,
    /// Expected shortfall of a period, at --level
    #[arg(long, default_value_t = 0.03, value_name = "SHARE", allow_negative_numbers = true)]
    pub es_max: f64,
    /// Level of both
    #[arg(long, default_value_t = 0.99, value_name = "LEVEL")]
    pub level: f64,
    /// Fall from the highest
    #[arg(long, default_value_t = 0.15, value_name = "SHARE", allow_negative_numbers = true)]
    pub drawdown_max: f64,
}

impl RiskLimitArgs {
    /// Refuses limits that are none.
    ///
    /// # Errors
    /// The first of them, in words.
    pub fn check(&self) -> Result<(), String> {
        super::series::check_levels(&[self.level])?;
        for (name, value) in [
            ("target-volatility", self.target_volatility),
            ("var-max", self.var_max),
            ("es-max", self.es_max),
            ("drawdown-max", self.drawdown_max),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return Err(format!("--{name} {value}: give a share above 0, as 0.02"));
            }
        }
        if self.drawdown_max >= 1.0 {
            return Err(format!("--drawdown-max {}: give a fall below 1", self.drawdown_max));
        }
        Ok(())
    }
}
