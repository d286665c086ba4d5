//! Black and Litterman: what is believed of assets, mixed with what prices imply.
//!
//! Prior: μ = δ·Σ·w_market (He and Litterman 1999), by default with equal weights and δ = 1; views P·μ = q
//! with errors Ω = diag(τ·P·Σ·Pᵀ), or, with confidences c, times 1/c − 1 (Idzorek 2005 in Walters' form), or
//! with the standard error that a model gives its forecast, squared.
//! Posterior: μ + τΣPᵀ(PτΣPᵀ + Ω)⁻¹(q − Pμ) and Σ + τΣ − τΣPᵀ(…)⁻¹PτΣ.
//! A view is one line: `A = 0.01`, `A - B = 0.002`, `0.5*A + 0.5*B - C == 0.001 @ 0.8`, `A = 0.01 +- 0.004`.

use super::allocation::AllocationError;
use super::problem::{Estimates, product};
use faer::Mat;
use faer::linalg::solvers::Solve;

/// A view.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Weight of each asset in it.
    pub picks: Vec<f64>,
    /// What it is believed to return in a period.
    pub value: f64,
    /// How sure.
    pub doubt: Doubt,
}

/// How sure a view is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Doubt {
    /// As unsure as the prior.
    Prior,
    /// From 0 to 1.
    Confidence(f64),
    /// Standard error of the value.
    Error(f64),
}

impl View {
    /// Reads a view.
    ///
    /// # Errors
    /// What cannot be read, or an asset that is not there.
    pub fn parse(text: &str, assets: &[String]) -> Result<View, AllocationError> {
        let wrong = |what: String| {
            AllocationError::Numbers(format!(
                "view `{}`: {what}; write `A - B = 0.002` or `A = 0.01 @ 0.8`",
                text.trim()
            ))
        };
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
        let (body, doubt) = if let Some((body, confidence)) = text.split_once('@') {
            let value = number(confidence).filter(|c| (0.0..=1.0).contains(c));
            let value = value.ok_or_else(|| wrong("a confidence lies from 0 to 1".into()))?;
            (body, Doubt::Confidence(value))
        } else if let Some((body, error)) = text.split_once("+-").or(text.split_once('±')) {
            let value = number(error).filter(|error| *error >= 0.0);
            let value = value.ok_or_else(|| wrong("an error is no negative number".into()))?;
            (body, Doubt::Error(value))
        } else {
            (text, Doubt::Prior)
        };
        let (left, right) =
            body.split_once('=').ok_or_else(|| wrong("there is no `=` in it".into()))?;
        let right = right.trim_start_matches('=').trim();
        let value: f64 = right.parse().map_err(|_| wrong(format!("`{right}` is no number")))?;
        if !value.is_finite() {
            return Err(wrong(format!("`{right}` is no number")));
        }
        let mut picks = vec![0.0; assets.len()];
        for (sign, term) in terms(left) {
            let (times, name) = match term.split_once('*') {
                Some((times, name)) => {
                    let number = times.trim().parse::<f64>();
                    (number.map_err(|_| wrong(format!("`{}` is no number", times.trim())))?, name)
                }
                None => (1.0, term.as_str()),
            };
            let name = name.trim();
            let at = assets.iter().position(|asset| asset == name);
            let at = at.ok_or_else(|| {
                wrong(format!("there is no asset `{name}`; there are {}", assets.join(", ")))
            })?;
            picks[at] += sign * times;
        }
        Ok(View { picks, value, doubt })
    }
}

/// Signed terms: a minus or plus surrounded by spaces parts them, so that names may hold hyphens.
fn terms(text: &str) -> Vec<(f64, String)> {
    let mut found: Vec<(f64, String)> = Vec::new();
    let (mut sign, mut open) = (1.0, String::new());
    for word in text.split_whitespace() {
        match word {
            "-" | "+" => {
                if !open.is_empty() {
                    found.push((sign, std::mem::take(&mut open)));
                }
                sign = if word == "-" { -1.0 } else { 1.0 };
            }
            _ => {
                let bare = word.strip_prefix('-').filter(|_| open.is_empty());
                if let Some(bare) = bare {
                    sign = -sign;
                    open.push_str(bare);
                } else {
                    open.push_str(word);
                }
            }
        }
    }
    found.push((sign, open));
    found
}

/// What the mix is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct Prior {
    /// Market weights.
    pub market: Vec<f64>,
    /// Risk aversion δ.
    pub aversion: f64,
    /// τ.
    pub tau: f64,
}

impl Prior {
    /// Equal weights, δ = 1, τ = 0.05.
    #[must_use]
    pub fn equal(assets: usize) -> Prior {
        Prior { market: vec![1.0 / assets as f64; assets], aversion: 1.0, tau: 0.05 }
    }
}

/// Smallest confidence, so that a view of none is still a number.
const CONFIDENCE_MIN: f64 = 1e-16;

/// The estimates after the views.
///
/// # Errors
/// Views that contradict each other with certainty.
pub fn black_litterman(
    estimates: &Estimates,
    prior: &Prior,
    views: &[View],
) -> Result<Estimates, AllocationError> {
    let (n, k) = (estimates.mean.len(), views.len());
    let implied = product(&estimates.covariance, &prior.market);
    let mean: Vec<f64> = implied.iter().map(|x| prior.aversion * x).collect();
    let picks = Mat::from_fn(k, n, |i, j| views[i].picks[j]);
    let spread = &estimates.covariance * picks.transpose() * prior.tau;
    let own = &picks * &spread;
    let mut middle = own.clone();
    for (at, view) in views.iter().enumerate() {
        middle[(at, at)] += match view.doubt {
            Doubt::Prior => own[(at, at)],
            Doubt::Confidence(c) => (1.0 / c.max(CONFIDENCE_MIN) - 1.0) * own[(at, at)],
            Doubt::Error(error) => error * error,
        };
    }
    let surprise = Mat::from_fn(k, 1, |i, _| {
        views[i].value - views[i].picks.iter().zip(&mean).map(|(p, m)| p * m).sum::<f64>()
    });
    let factor = middle.partial_piv_lu();
    let moved = &spread * factor.solve(&surprise);
    let shrunk = &spread * factor.solve(spread.transpose());
    let mean: Vec<f64> = (0..n).map(|i| mean[i] + moved[(i, 0)]).collect();
    if mean.iter().any(|m| !m.is_finite()) {
        let words = "the views contradict each other: two of them say the same of other values with \
                     full confidence";
        return Err(AllocationError::Numbers(words.to_owned()));
    }
    let covariance = Mat::from_fn(n, n, |i, j| {
        (1.0 + prior.tau) * estimates.covariance[(i, j)] - 0.5 * (shrunk[(i, j)] + shrunk[(j, i)])
    });
    Ok(Estimates { assets: estimates.assets.clone(), mean, covariance })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimates() -> Estimates {
        Estimates {
            assets: ["BRK-B", "GE", "JPM"].map(str::to_owned).to_vec(),
            mean: vec![0.0; 3],
            covariance: Mat::from_fn(3, 3, |i, j| if i == j { 4e-4 } else { 1e-4 }),
        }
    }

    #[test]
    fn views_are_read() {
        let assets = estimates().assets;
        let read = |text| View::parse(text, &assets);
        let view = read("BRK-B - 0.5*GE == 0.00086 @ 0.8").expect("sound");
        assert_eq!(view.picks, [1.0, -0.5, 0.0]);
        assert_eq!((view.value, view.doubt), (0.000_86, Doubt::Confidence(0.8)));
        let modelled = read("GE = 0.001 +- 0.0004").expect("sound");
        assert_eq!((modelled.value, modelled.doubt), (0.001, Doubt::Error(0.000_4)));
        assert_eq!(read("-GE + JPM = -1e-3").expect("sound").picks, [0.0, -1.0, 1.0]);
        for (text, part) in [
            ("GE 0.1", "no `=`"),
            ("IBM = 0.1", "no asset `IBM`"),
            ("GE = x", "no number"),
            ("GE = 0.1 @ 3", "confidence"),
            ("GE = 0.1 +- -1", "an error is no negative"),
        ] {
            let refused = read(text).expect_err("wrong").to_string();
            assert!(refused.contains(part), "{refused}");
        }
    }

    #[test]
    fn a_certain_view_comes_true_and_none_changes_nothing() {
        let (before, prior) = (estimates(), Prior::equal(3));
        let view = |doubt| View { picks: vec![0.0, 1.0, 0.0], value: 0.01, doubt };
        let sure =
            black_litterman(&before, &prior, &[view(Doubt::Confidence(1.0))]).expect("sound");
        assert!((sure.mean[1] - 0.01).abs() < 1e-15);
        let idle =
            black_litterman(&before, &prior, &[view(Doubt::Confidence(0.0))]).expect("sound");
        assert!((idle.mean[1] - 2e-4).abs() < 1e-12, "the implied mean: {:?}", idle.mean);
        // half-way between the implied mean and the view
        let half = black_litterman(&before, &prior, &[view(Doubt::Prior)]).expect("sound");
        assert!((half.mean[1] - 0.5 * (0.01 + 2e-4)).abs() < 1e-15);
        // an error as large as the prior's says the same
        let error = (0.05_f64 * 4e-4).sqrt();
        let same = black_litterman(&before, &prior, &[view(Doubt::Error(error))]).expect("sound");
        assert!((same.mean[1] - half.mean[1]).abs() < 1e-15);
    }
}
