//! The arguments that say what is believed of assets.

use super::OptimizeError;
use crate::model::trend::trend;
use crate::portfolio::views::{Doubt, View};
use clap::Args;
use std::path::PathBuf;

/// Views of black-litterman.
#[derive(Clone, Debug, Args)]
pub struct ViewArgs {
    /// A view, as "A - B = 0.002 @ 0.8" (the share behind @ is how sure); may be repeated
    #[arg(long, value_name = "VIEW", allow_hyphen_values = true)]
    view: Vec<String>,
    /// A file of views, one a line
    #[arg(long, value_name = "FILE")]
    views: Option<PathBuf>,
    /// Views of every asset from its exponentially weighted mean with this half-life in rows, and its error
    #[arg(long, value_name = "ROWS", allow_negative_numbers = true)]
    view_trend: Option<f64>,
}

impl ViewArgs {
    /// Reads them for these assets.
    pub(super) fn read(
        &self,
        assets: &[String],
        columns: &[Vec<f64>],
    ) -> Result<Vec<View>, OptimizeError> {
        let mut lines = self.view.clone();
        if let Some(path) = &self.views {
            let text = std::fs::read_to_string(path)
                .map_err(|error| OptimizeError::Views { path: path.clone(), error })?;
            let lines_of = text.lines().map(str::trim);
            lines.extend(
                lines_of.filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned),
            );
        }
        if lines.is_empty() && self.view_trend.is_none() {
            let words = "black-litterman mixes in views: give --view \"A - B = 0.002\", --views FILE or \
                     --view-trend ROWS";
            return Err(OptimizeError::Arguments(words.to_owned()));
        }
        let mut found = Vec::with_capacity(lines.len() + assets.len());
        for line in &lines {
            found.push(View::parse(line, assets)?);
        }
        if let Some(half_life) = self.view_trend {
            for (at, column) in columns.iter().enumerate() {
                let words =
                    || format!("--view-trend {half_life}: give a half-life in rows, above 0");
                let forecast = trend(column, half_life);
                let forecast = forecast.ok_or_else(|| OptimizeError::Arguments(words()))?;
                let mut picks = vec![0.0; assets.len()];
                picks[at] = 1.0;
                found.push(View {
                    picks,
                    value: forecast.mean,
                    doubt: Doubt::Error(forecast.error),
                });
            }
        }
        Ok(found)
    }
}
