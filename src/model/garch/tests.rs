//! Paths of known parameters, slopes by differences, twins.

use super::*;
use std::f64::consts::PI;

/// A GARCH path of its own little generator, so that nothing here depends on a kernel.
fn sample(n: usize, p: Parameters) -> Vec<f64> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / 9_007_199_254_740_992.0 + 1e-17
    };
    let mut h = p.omega / (1.0 - p.persistence());
    (0..n)
        .map(|_| {
            let (u, v) = (uniform(), uniform());
            let radius = if p.nu.is_finite() {
                ((p.nu - 2.0) * (u.powf(-2.0 / p.nu) - 1.0)).sqrt()
            } else {
                (-2.0 * u.ln()).sqrt()
            };
            let e = h.sqrt() * radius * (2.0 * PI * v).cos();
            let reaction = if e < 0.0 { p.alpha + p.gamma } else { p.alpha };
            h = p.omega + reaction * e * e + p.beta * h;
            p.mu + e
        })
        .collect()
}

fn truth(gamma: f64, nu: f64) -> Parameters {
    Parameters { mu: 0.05, omega: 0.05, alpha: 0.08, gamma, beta: 0.87, nu, lambda: 0.0 }
}

const ALL: [Volatility; 3] = [Volatility::Garch, Volatility::Gjr, Volatility::Egarch];
const FAMILIES: [Family; 3] = [Family::Normal, Family::Student, Family::Skewed];

#[test]
fn the_gradient_is_the_slope() {
    let returns = sample(300, truth(0.04, 6.0));
    let scale = moments(&returns).expect("sound");
    for volatility in ALL {
        for family in FAMILIES {
            for start in [Start::Arch, Start::Sample, Start::Unconditional] {
                let spec = Spec { start, ..Spec::new(volatility, family) };
                let series = series(&returns, spec, &scale);
                let p = Parameters { lambda: -0.2, ..truth(0.03, 5.0) };
                let (_, slope) = series.likelihood(&p);
                for (k, slope) in slope.iter().enumerate() {
                    let moved = |by: f64| series.likelihood(&p.with(k, p.get(k) + by)).0;
                    let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                    let near = (slope - difference).abs() < 1e-4 * difference.abs().max(1.0);
                    assert!(near, "{spec:?} {k}: {slope} {difference}");
                }
            }
        }
    }
}

#[test]
fn the_fast_twin_is_the_slow_one() {
    for n in [50, 301, 1_000] {
        let returns = sample(n, truth(0.04, 5.0));
        let scale = moments(&returns).expect("sound");
        for volatility in [Volatility::Garch, Volatility::Gjr] {
            for family in [Family::Normal, Family::Student] {
                for p in [truth(0.03, 5.0), Parameters { omega: 1e-22, ..truth(0.5, 2.1) }] {
                    let series = series(&returns, Spec::new(volatility, family), &scale);
                    let (fast, slow) = (series.likelihood(&p), series.slow_likelihood(&p));
                    let near = |a: f64, b: f64| (a - b).abs() < 1e-9 * (b.abs() + n as f64);
                    assert!(near(fast.0, slow.0), "{volatility:?} {family:?}: {fast:?} {slow:?}");
                    let used = if family == Family::Normal { 5 } else { 6 };
                    for k in 0..used {
                        assert!(near(fast.1[k], slow.1[k]), "{family:?} {k}: {fast:?} {slow:?}");
                    }
                }
            }
        }
    }
    // canary: the comparison sees a unit in the tenth place
    let returns = sample(100, truth(0.0, 5.0));
    let series = series(
        &returns,
        Spec::new(Volatility::Garch, Family::Student),
        &moments(&returns).expect("sound"),
    );
    let moved = series.likelihood(&truth(0.0, 5.001)).0;
    assert!((moved - series.slow_likelihood(&truth(0.0, 5.0)).0).abs() > 1e-9 * 200.0);
}

#[test]
fn the_search_follows_its_own_slope() {
    let returns = sample(300, truth(0.04, 6.0));
    let scale = moments(&returns).expect("sound");
    for volatility in ALL {
        for family in FAMILIES {
            let spec = Spec::new(volatility, family);
            let series = series(&returns, spec, &scale);
            let point = Free::start(0.08, 0.9, spec);
            let mut slope = vec![0.0; point.len()];
            let free = Free::of(&point, spec, &scale);
            free.chain(&series.likelihood(&free.parameters).1, &mut slope);
            for k in 0..point.len() {
                let moved = |by: f64| {
                    let mut point = point.clone();
                    point[k] += by;
                    series.likelihood(&Free::of(&point, spec, &scale).parameters).0
                };
                let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                let near = (slope[k] - difference).abs() < 1e-4 * difference.abs().max(1.0);
                assert!(near, "{spec:?} {k}: {} {difference}", slope[k]);
            }
        }
    }
}

#[test]
fn parameters_are_found_again() {
    let garch = Volatility::Garch;
    for (spec, p) in [
        (Spec::new(garch, Family::Student), truth(0.0, 6.0)),
        (Spec::new(Volatility::Gjr, Family::Student), truth(0.06, 6.0)),
        (Spec::new(garch, Family::Normal), truth(0.0, f64::INFINITY)),
        (Spec::new(garch, Family::Skewed), truth(0.0, 6.0)),
    ] {
        let returns = sample(20_000, p);
        let found = fit(&returns, spec).expect("sound");
        let q = found.parameters;
        assert!(found.converged && found.boundary.is_empty(), "{spec:?}: {found:?}");
        assert!((q.alpha - p.alpha).abs() < 0.02 && (q.beta - p.beta).abs() < 0.03, "{q:?}");
        assert!((q.gamma - p.gamma).abs() < 0.03 && (q.mu - p.mu).abs() < 0.02, "{q:?}");
        assert!(q.lambda.abs() < 0.03, "{q:?}");
        if p.nu.is_finite() {
            assert!((q.nu - p.nu).abs() < 1.0, "{q:?}");
        }
        let at_truth = evaluate(&returns, spec, &p).expect("sound").log_likelihood;
        assert!(found.log_likelihood >= at_truth - 0.5, "no lower than the truth");
        // the truth lies within four of the errors that are said
        let errors = standard_errors(&returns, &found).expect("sound");
        for errors in [errors.curvature, errors.robust] {
            for k in (0..5).filter(|&k| errors[k].is_finite()) {
                assert!((q.get(k) - p.get(k)).abs() < 4.0 * errors[k], "{spec:?} {k} {errors:?}");
            }
        }
    }
}

#[test]
fn limits_are_reported() {
    // alternating calm and wild halves: variance has no level
    let returns: Vec<f64> = (0..400)
        .map(|i| {
            let size = if i < 200 { 0.2 } else { 5.0 };
            size * f64::from((i * 7919) % 13 - 6) / 6.0
        })
        .collect();
    let found = fit(&returns, Spec::new(Volatility::Garch, Family::Normal)).expect("sound");
    assert!(!found.boundary.is_empty(), "{:?}", found.parameters);
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    let spec = Spec::new(Volatility::Garch, Family::Student);
    assert_eq!(fit(&[0.1; 10], spec), Err(FitError::Few(10)));
    assert_eq!(fit(&[0.1; 100], spec), Err(FitError::Constant));
    let mut returns = vec![0.1; 100];
    returns[3] = f64::NAN;
    assert!(matches!(fit(&returns, spec), Err(FitError::NotFinite { index: 3, .. })));
    let bad = Parameters { alpha: -0.1, ..truth(0.0, 5.0) };
    assert!(matches!(
        evaluate(&sample(100, truth(0.0, 5.0)), spec, &bad),
        Err(FitError::Parameter { name: "alpha", .. })
    ));
}

#[test]
fn a_target_is_where_the_variance_tends() {
    let returns = sample(2_000, truth(0.04, 6.0));
    let scale = moments(&returns).expect("sound");
    for volatility in [Volatility::Garch, Volatility::Gjr] {
        let spec = Spec { targeted: true, ..Spec::new(volatility, Family::Student) };
        let fit = fit(&returns, spec).expect("fits");
        let p = fit.parameters;
        let level = p.omega / (1.0 - p.persistence());
        assert!((level / scale.variance - 1.0).abs() < 1e-9, "{level} {}", scale.variance);
        // the free fit is at least as likely, and not by much
        let free = super::fit(&returns, Spec::new(volatility, Family::Student)).expect("fits");
        let apart = free.log_likelihood - fit.log_likelihood;
        assert!((-1e-4..5.0).contains(&apart), "{apart}");
        let errors = standard_errors(&returns, &fit).expect("sound").robust;
        assert!(errors[1].is_nan() && errors[2] > 0.0 && errors[4] > 0.0, "{errors:?}");
        // the search's slopes are the likelihood's own
        let point = Free::start(0.08, 0.95, spec);
        let value = |point: &[f64]| {
            let free = Free::of(point, spec, &scale);
            series(&returns, spec, &scale).likelihood(&free.parameters).0
        };
        let free = Free::of(&point, spec, &scale);
        let natural = series(&returns, spec, &scale).likelihood(&free.parameters).1;
        let mut slopes = vec![0.0; point.len()];
        free.chain(&natural, &mut slopes);
        for k in 0..point.len() {
            let moved = |by: f64| {
                let mut to = point.clone();
                to[k] += by;
                value(&to)
            };
            let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((slopes[k] - difference).abs() < 1e-3 * difference.abs().max(1.0), "{k}");
        }
    }
    let spec = Spec { targeted: true, ..Spec::new(Volatility::Egarch, Family::Normal) };
    assert_eq!(fit(&returns, spec), Err(FitError::Target));
}
