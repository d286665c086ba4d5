//! The arguments that divide risk: among assets, groups of them, factors.

use super::{FactorShare, OptimizeError};
use crate::cli::history::HistoryFailure;
use crate::cli::holdings::{self, by_asset};
use crate::history::Panel;
use crate::model::factors::{given, statistical};
use crate::portfolio::factors::{Factors, Share};
use clap::Args;
use faer::Mat;

/// Shares of risk.
#[derive(Clone, Debug, Args)]
pub struct BudgetArgs {
    /// Shares of risk, A=0.6,B=0.4; equal without
    #[arg(long, value_delimiter = ',', value_name = "A=SHARE")]
    risk_budgets: Vec<String>,
    /// The share of risk that assets (or strategies) together have, in equal parts, as tech=A+B=0.4; may be
    /// repeated
    #[arg(long, value_name = "NAME=A+B=SHARE")]
    group_budget: Vec<String>,
    /// Shares of what factors explain, SPX=0.6,VIX=-0.4 (below 0 for a short exposure): of columns that are
    /// then factors and no assets, or of principal components pc1, pc2, ... (most of whose loadings are
    /// positive; their order and sign may change from sample to sample)
    #[arg(long, value_delimiter = ',', value_name = "FACTOR=SHARE", allow_hyphen_values = true,
          conflicts_with_all = ["risk_budgets", "group_budget"])]
    factor_budget: Vec<String>,
}

/// Factors with their budgets.
pub(super) struct Budgeted {
    pub factors: Factors,
    pub budgets: Vec<f64>,
}

impl Budgeted {
    /// What each factor explains of a book of this variance.
    pub(super) fn shares(&self, weights: &[f64], variance: f64) -> Vec<(String, FactorShare)> {
        let shares = self.factors.shares(weights, variance);
        let each = self.factors.names.iter().cloned().zip(&self.budgets).zip(shares);
        each.map(|((name, &budget), Share { exposure, of_variance })| {
            (name, FactorShare { budget, exposure, of_variance })
        })
        .collect()
    }
}

fn wrong(words: impl Into<String>) -> OptimizeError {
    OptimizeError::Arguments(words.into())
}

/// Which component `pc3` is.
fn component(name: &str) -> Option<usize> {
    name.strip_prefix("pc")?.parse().ok().filter(|at| *at > 0)
}

impl BudgetArgs {
    /// The first of these flags that is given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let all = [
            ("--risk-budgets", &self.risk_budgets),
            ("--group-budget", &self.group_budget),
            ("--factor-budget", &self.factor_budget),
        ];
        all.into_iter().find(|(_, values)| !values.is_empty()).map(|(flag, _)| flag)
    }

    /// Of every asset.
    pub(super) fn assets(&self, assets: &[String]) -> Result<Vec<f64>, OptimizeError> {
        if self.risk_budgets.is_empty() && self.group_budget.is_empty() {
            return Ok(vec![1.0; assets.len()]);
        }
        let mut given = by_asset("--risk-budgets", &self.risk_budgets, assets).map_err(wrong)?;
        for text in &self.group_budget {
            let read = holdings::group("--group-budget", text, assets);
            let (_, members, share) = read.map_err(wrong)?;
            for &at in &members {
                if given[at].replace(share / members.len() as f64).is_some() {
                    let asset = &assets[at];
                    return Err(wrong(format!(
                        "--group-budget {text}: `{asset}` has a share already"
                    )));
                }
            }
        }
        let flag = if self.group_budget.is_empty() { "--risk-budgets" } else { "--group-budget" };
        let each = given.iter().zip(assets).map(|(budget, asset)| {
            budget.ok_or_else(|| wrong(format!("{flag} names no share of `{asset}`")))
        });
        each.collect()
    }

    /// The assets' panel, and the factors if any have a budget.
    pub(super) fn factors(
        &self,
        panel: &Panel,
    ) -> Result<(Panel, Option<Budgeted>), OptimizeError> {
        if self.factor_budget.is_empty() {
            return Ok((panel.clone(), None));
        }
        let all = panel.symbols();
        let name =
            |text: &str| text.split_once('=').map_or(text, |(name, _)| name).trim().to_owned();
        let asked: Vec<String> = self.factor_budget.iter().map(|text| name(text)).collect();
        // columns have the first say on their names
        let is_component = |name: &&String| !all.contains(name) && component(name).is_some();
        let components = asked.iter().filter(is_component).count();
        let mut names = all.to_vec();
        if components > 0 && components < self.factor_budget.len() {
            return Err(wrong("--factor-budget: give columns or principal components, not both"));
        }
        if components > 0 {
            names = (1..=all.len()).map(|k| format!("pc{k}")).collect();
        }
        if let Some(unknown) = asked.iter().find(|name| !names.contains(name)) {
            return Err(wrong(format!(
                "--factor-budget: there is no column `{unknown}` (--assets must name factors, too) and no \
                 such component; give columns of {}, or pc1 to pc{}",
                all.join(", "),
                all.len()
            )));
        }
        let given = by_asset("--factor-budget", &self.factor_budget, &names).map_err(wrong)?;
        let named: Vec<usize> = (0..names.len()).filter(|&at| given[at].is_some()).collect();
        let budgets: Vec<f64> = given.iter().flatten().copied().collect();
        let chosen: Vec<String> = named.iter().map(|&at| names[at].clone()).collect();
        if components > 0 {
            let last = named[named.len() - 1] + 1;
            let found = statistical::fit(panel.columns(), Some(last))
                .map_err(|error| wrong(format!("--factor-budget: {error}")))?;
            let slopes = Mat::from_fn(all.len(), named.len(), |i, k| found.loadings[(i, named[k])]);
            // components have a variance of one and no correlation
            let covariance = Mat::identity(named.len(), named.len());
            let factors = Factors { names: chosen, slopes, covariance };
            return Ok((panel.clone(), Some(Budgeted { factors, budgets })));
        }
        let choose = |names: &[String]| panel.choose(names).map_err(HistoryFailure::from);
        let kept: Vec<String> = all.iter().filter(|name| !chosen.contains(name)).cloned().collect();
        if kept.is_empty() {
            return Err(wrong("--factor-budget: every column is a factor; no asset is left"));
        }
        let (assets, series) = (choose(&kept)?, choose(&chosen)?);
        let fit = given::fit(assets.columns(), series.columns())
            .map_err(|error| wrong(format!("--factor-budget: {}", error.named(&chosen))))?;
        let factors = Factors { names: chosen, slopes: fit.slopes, covariance: fit.shared };
        Ok((assets, Some(Budgeted { factors, budgets })))
    }
}
