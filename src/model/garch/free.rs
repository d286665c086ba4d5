//! Parameters as the search sees them: unbounded numbers, of size one.
//!
//! GARCH and GJR: ln ω̂, logit of persistence, logit of the reaction's share of it, so that α, α + γ, β ≥ 0
//! and α + γ/2 + β ≤ 1; with a target the first is not there, and ω is the sample's variance times what
//! persistence leaves. EGARCH: the level towards which ln σ² tends, α, artanh β. Then the mean's shift,
//! leverage, ν and λ where they are fitted.

use super::path::{PARAMETERS, Slopes};
use super::shock::Family;
use super::{Parameters, Spec, Volatility};

/// Bounds of ν: below, the fourth root of a sample decides; above, the t is normal.
pub(super) const NU_MIN: f64 = 2.05;
pub(super) const NU_MAX: f64 = 500.0;

/// What the sample says about units.
pub(super) struct Scale {
    pub mean: f64,
    pub variance: f64,
}

impl Scale {
    /// What the variance tends to where it is targeted.
    fn target(&self, spec: Spec) -> f64 {
        if spec.mean { self.variance } else { self.variance + self.mean * self.mean }
    }
}

pub(super) struct Free {
    pub parameters: Parameters,
    /// ∂ of each parameter by each unbounded number.
    jacobian: Vec<Slopes>,
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

/// A row of the Jacobian.
fn row(entries: &[(usize, f64)]) -> Slopes {
    let mut row = [0.0; PARAMETERS];
    entries.iter().for_each(|&(at, value)| row[at] = value);
    row
}

impl Free {
    pub fn start(reaction: f64, persistence: f64, spec: Spec) -> Vec<f64> {
        let mut point = match spec.volatility {
            Volatility::Egarch => vec![0.0, 2.0 * reaction, persistence.atanh()],
            _ => vec![(1.0 - persistence).ln(), logit(persistence), logit(reaction / persistence)],
        };
        if spec.targeted {
            point.remove(0);
        }
        point.extend(spec.mean.then_some(0.0));
        point.extend(match spec.volatility {
            Volatility::Garch => None,
            Volatility::Gjr => Some(0.1),
            Volatility::Egarch => Some(-0.05),
        });
        if spec.family != Family::Normal {
            point.push(logit((7.0 - NU_MIN) / (NU_MAX - NU_MIN)));
        }
        point.extend((spec.family == Family::Skewed).then_some(0.0));
        point
    }

    pub fn of(point: &[f64], spec: Spec, scale: &Scale) -> Free {
        let free_level = usize::from(!spec.targeted);
        let mut rest = point[2 + free_level..].iter().copied();
        let deviation = scale.variance.sqrt();
        let mu = if spec.mean { scale.mean + deviation * rest.next().unwrap_or(0.0) } else { 0.0 };
        let mut p = Parameters { mu, nu: f64::INFINITY, ..Parameters::default() };
        let mut jacobian;
        let by_mean = spec.mean.then(|| row(&[(0, deviation)]));
        if spec.volatility == Volatility::Egarch {
            let level = scale.variance.ln() + point[0];
            p.alpha = point[1];
            p.beta = point[2].tanh();
            p.omega = level * (1.0 - p.beta);
            let db = 1.0 - p.beta * p.beta;
            jacobian = vec![
                row(&[(1, 1.0 - p.beta)]),
                row(&[(2, 1.0)]),
                row(&[(1, -level * db), (4, db)]),
            ];
            jacobian.extend(by_mean);
            p.gamma = rest.next().unwrap_or(0.0);
            jacobian.push(row(&[(3, 1.0)]));
        } else {
            let (first, second) = (point[free_level], point[free_level + 1]);
            let (persistence, share) = (logistic(first), logistic(second));
            let target = scale.target(spec);
            p.omega = if spec.targeted {
                target * logistic(-first)
            } else {
                scale.variance * point[0].exp()
            };
            let (reaction, beta) = (persistence * share, persistence * (1.0 - share));
            let has_lean = spec.volatility == Volatility::Gjr;
            let lean = if has_lean { rest.next().unwrap_or(0.0).tanh() } else { 0.0 };
            // reaction r splits into α = r(1 − l), γ = 2rl
            (p.alpha, p.gamma, p.beta) = (reaction * (1.0 - lean), 2.0 * reaction * lean, beta);
            let spread = |by_r: f64, by_beta: f64| {
                row(&[(2, by_r * (1.0 - lean)), (3, 2.0 * by_r * lean), (4, by_beta)])
            };
            let (dp, ds) = (persistence * (1.0 - persistence), share * (1.0 - share));
            let mut by_persistence = spread(dp * share, dp * (1.0 - share));
            jacobian = Vec::with_capacity(PARAMETERS);
            if spec.targeted {
                by_persistence[1] = -target * dp;
            } else {
                jacobian.push(row(&[(1, p.omega)]));
            }
            jacobian.push(by_persistence);
            jacobian.push(spread(persistence * ds, -persistence * ds));
            jacobian.extend(by_mean);
            if has_lean {
                let dl = reaction * (1.0 - lean * lean);
                jacobian.push(row(&[(2, -dl), (3, 2.0 * dl)]));
            }
        }
        if spec.family != Family::Normal {
            let place = logistic(rest.next().unwrap_or(0.0));
            p.nu = NU_MIN + (NU_MAX - NU_MIN) * place;
            jacobian.push(row(&[(5, (NU_MAX - NU_MIN) * place * (1.0 - place))]));
        }
        if spec.family == Family::Skewed {
            p.lambda = rest.next().unwrap_or(0.0).tanh();
            jacobian.push(row(&[(6, 1.0 - p.lambda * p.lambda)]));
        }
        Free { parameters: p, jacobian }
    }

    pub fn chain(&self, natural: &Slopes, slope: &mut [f64]) {
        for (to, row) in slope.iter_mut().zip(&self.jacobian) {
            *to = row.iter().zip(natural).map(|(a, b)| a * b).sum();
        }
    }
}
