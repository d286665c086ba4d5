//! Estimators that work on eigenvalues.

use super::{CovarianceError, correlations, sample};
use faer::{Mat, Side};

/// Eigenvalues in ascending order and their vectors, by column.
fn eigen(matrix: &Mat<f64>) -> Result<(Vec<f64>, Mat<f64>), CovarianceError> {
    let found = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| CovarianceError::Eigenvalues)?;
    let values = found.S().column_vector();
    Ok(((0..matrix.nrows()).map(|i| values[i]).collect(), found.U().to_owned()))
}

/// The matrix with these eigenvalues.
fn rebuilt(values: &[f64], vectors: &Mat<f64>) -> Mat<f64> {
    let n = values.len();
    let scaled = Mat::from_fn(n, n, |i, j| vectors[(i, j)] * values[j]);
    &scaled * vectors.transpose()
}

/// Correlations whose noise is flattened, at the sample's variances.
pub(super) fn denoised(columns: &[Vec<f64>]) -> Result<Mat<f64>, CovarianceError> {
    let n = columns.len();
    let ratio = columns[0].len() as f64 / n as f64;
    let (deviations, matrix) = correlations(&sample(columns))?;
    let (mut values, vectors) = eigen(&matrix)?;
    let variance = noise_variance(&values, ratio);
    let edge = variance * (1.0 + (1.0 / ratio).sqrt()).powi(2);
    let noise = values.iter().filter(|&&value| value < edge).count();
    if noise > 0 {
        let mean = values[..noise].iter().sum::<f64>() / noise as f64;
        values[..noise].fill(mean);
    }
    let (_, flat) = correlations(&rebuilt(&values, &vectors))?;
    Ok(Mat::from_fn(n, n, |i, j| flat[(i, j)] * deviations[i] * deviations[j]))
}

/// Points at which densities are compared.
const GRID: usize = 1_000;
/// Width of the kernel that smooths the eigenvalues.
const BANDWIDTH: f64 = 0.01;

/// The variance whose Marchenko-Pastur density is nearest to that of the eigenvalues: a scan for the
/// basin around one half, then golden section.
fn noise_variance(values: &[f64], ratio: f64) -> f64 {
    let distance = |variance: f64| {
        let low = variance * (1.0 - (1.0 / ratio).sqrt()).powi(2);
        let high = variance * (1.0 + (1.0 / ratio).sqrt()).powi(2);
        let norm = 1.0 / (values.len() as f64 * BANDWIDTH * (2.0 * std::f64::consts::PI).sqrt());
        (0..GRID)
            .map(|at| {
                let x = low + (high - low) * at as f64 / (GRID - 1) as f64;
                let inside = ((high - x) * (x - low)).max(0.0);
                let wanted =
                    ratio / (2.0 * std::f64::consts::PI * variance * x.max(1e-300)) * inside.sqrt();
                let bump = |value: &f64| (-0.5 * ((x - value) / BANDWIDTH).powi(2)).exp();
                let found = norm * values.iter().map(bump).sum::<f64>();
                (found - wanted).powi(2)
            })
            .sum::<f64>()
    };
    const CELLS: usize = 100;
    let at = |cell: usize| (cell as f64 + 0.5) / CELLS as f64;
    let best = (0..CELLS).min_by(|&a, &b| distance(at(a)).total_cmp(&distance(at(b)))).unwrap_or(0);
    let (mut low, mut high) =
        (at(best) - 1.0 / CELLS as f64, (at(best) + 1.0 / CELLS as f64).min(1.0));
    low = low.max(1e-5);
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    while high - low > 1e-9 {
        let (a, b) = (high - golden * (high - low), low + golden * (high - low));
        if distance(a) < distance(b) { high = b } else { low = a }
    }
    0.5 * (low + high)
}

/// Analytical nonlinear shrinkage (Ledoit and Wolf 2020, section 4.7), rows more or fewer than columns.
pub(super) fn nonlinear(columns: &[Vec<f64>]) -> Result<Mat<f64>, CovarianceError> {
    let p = columns.len();
    // one degree of freedom goes to the mean
    let n = columns[0].len() - 1;
    let (values, vectors) = eigen(&sample(columns))?;
    // with fewer rows than columns the first are nothing but rounding
    let used = &values[p.saturating_sub(n)..];
    let width = (n as f64).powf(-1.0 / 3.0);
    let root5 = 5.0_f64.sqrt();
    let (mut densities, mut transforms) = (Vec::new(), Vec::new());
    for &x in used {
        let (mut density, mut transform) = (0.0, 0.0);
        for &value in used {
            let h = width * value;
            let z = (x - value) / h;
            // Epanechnikov's kernel and its Hilbert transform
            density += 3.0 / (4.0 * root5 * h) * (1.0 - z * z / 5.0).max(0.0);
            let tail = if (z.abs() - root5).abs() < 1e-12 {
                0.0
            } else {
                3.0 / (4.0 * root5 * std::f64::consts::PI)
                    * (1.0 - z * z / 5.0)
                    * ((root5 - z) / (root5 + z)).abs().ln()
            };
            transform += (-3.0 * z / (10.0 * std::f64::consts::PI) + tail) / h;
        }
        densities.push(density / used.len() as f64);
        transforms.push(transform / used.len() as f64);
    }
    let pi = std::f64::consts::PI;
    let (c, mut shrunk) = (p as f64 / n as f64, Vec::with_capacity(p));
    if p <= n {
        for (at, &value) in used.iter().enumerate() {
            let first = pi * c * value * densities[at];
            let second = 1.0 - c - pi * c * value * transforms[at];
            shrunk.push(value / (first * first + second * second));
        }
    } else {
        let inverse = used.iter().map(|value| 1.0 / value).sum::<f64>() / used.len() as f64;
        let at_zero = 1.0 / pi
            * (3.0 / (10.0 * width * width)
                + 3.0 / (4.0 * root5 * width)
                    * (1.0 - 1.0 / (5.0 * width * width))
                    * ((1.0 + root5 * width) / (1.0 - root5 * width)).abs().ln())
            * inverse;
        let null = 1.0 / (pi * (p - n) as f64 / n as f64 * at_zero);
        shrunk.extend(std::iter::repeat_n(null, p - n));
        for (at, &value) in used.iter().enumerate() {
            let squares = densities[at].powi(2) + transforms[at].powi(2);
            shrunk.push(1.0 / (pi * pi * value * squares));
        }
    }
    Ok(rebuilt(&shrunk, &vectors))
}
