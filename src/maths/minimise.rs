//! Unconstrained minimisation of smooth functions: BFGS with a line search that holds Wolfe's conditions
//! (Nocedal and Wright 2006, algorithms 6.1, 3.5 and 3.6).

/// Why the search ended. Not an error: the best point comes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The slope is as good as zero, or no step improves what f64 can tell apart.
    Converged,
    /// So many steps were taken.
    StepLimit,
}

/// The best point.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum {
    /// Where.
    pub point: Vec<f64>,
    /// How low.
    pub value: f64,
    /// Steps taken.
    pub steps: usize,
    /// Why it ended.
    pub status: Status,
}

/// Slopes below this, relative to the value, are zero.
const SLOPE_MIN: f64 = 1e-9;
/// A step that promises to lower the value by less than this share of it lowers nothing that f64 can tell.
const PROMISE_MIN: f64 = 5e-16;
/// Wolfe's constants: sufficient decrease, curvature.
const DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;
/// Trials of one line search.
const TRIALS_MAX: usize = 40;

/// Minimises `f(point, gradient) -> value`; a value that is no number counts as infinitely high.
pub fn bfgs(
    mut f: impl FnMut(&[f64], &mut [f64]) -> f64,
    start: &[f64],
    steps_max: usize,
) -> Minimum {
    let n = start.len();
    let mut here = Point::at(start.to_vec(), &mut f);
    let mut inverse = identity(n);
    let mut fresh = true;
    for steps in 0..steps_max {
        let scale = here.value.abs().max(1.0);
        if here.slope.iter().all(|g| g.abs() <= SLOPE_MIN * scale) {
            return here.minimum(steps, Status::Converged);
        }
        let mut direction = times(&inverse, &here.slope, -1.0);
        if dot(&direction, &here.slope) >= 0.0 {
            inverse = identity(n);
            fresh = true;
            direction = here.slope.iter().map(|g| -g).collect();
        }
        // half of Newton's decrement: what is left to win, as far as the curvature is known
        if !fresh && 0.5 * dot(&direction, &here.slope).abs() < PROMISE_MIN * scale {
            return here.minimum(steps, Status::Converged);
        }
        // the first step of a fresh matrix has no scale of its own
        let length = dot(&direction, &direction).sqrt();
        let first = if fresh { (1.0 / length).min(1.0) } else { 1.0 };
        let Some(next) = search(&mut f, &here, &direction, first) else {
            if fresh {
                return here.minimum(steps, Status::Converged);
            }
            inverse = identity(n);
            fresh = true;
            continue;
        };
        let moved: Vec<f64> = next.x.iter().zip(&here.x).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = next.slope.iter().zip(&here.slope).map(|(a, b)| a - b).collect();
        let curvature = dot(&moved, &turned);
        if curvature > 1e-14 * dot(&turned, &turned).sqrt() * dot(&moved, &moved).sqrt() {
            if fresh {
                let size = curvature / dot(&turned, &turned);
                inverse.iter_mut().for_each(|row| row.iter_mut().for_each(|h| *h *= size));
            }
            update(&mut inverse, &moved, &turned, curvature);
            fresh = false;
        }
        here = next;
    }
    here.minimum(steps_max, Status::StepLimit)
}

struct Point {
    x: Vec<f64>,
    value: f64,
    slope: Vec<f64>,
}

impl Point {
    fn at(x: Vec<f64>, f: &mut impl FnMut(&[f64], &mut [f64]) -> f64) -> Point {
        let mut slope = vec![0.0; x.len()];
        let value = f(&x, &mut slope);
        let known = value.is_finite() && slope.iter().all(|g| g.is_finite());
        Point { x, value: if known { value } else { f64::INFINITY }, slope }
    }

    fn minimum(self, steps: usize, status: Status) -> Minimum {
        Minimum { point: self.x, value: self.value, steps, status }
    }
}

/// A point along the direction that holds both conditions; None where nothing is lower.
fn search(
    f: &mut impl FnMut(&[f64], &mut [f64]) -> f64,
    from: &Point,
    direction: &[f64],
    first: f64,
) -> Option<Point> {
    let steep = dot(&from.slope, direction);
    let mut at =
        |step: f64| Point::at(from.x.iter().zip(direction).map(|(x, d)| x + step * d).collect(), f);
    let (mut low, mut high, mut step) = (0.0, f64::INFINITY, first);
    let mut best: Option<Point> = None;
    for _ in 0..TRIALS_MAX {
        if step * steep.abs() < PROMISE_MIN * from.value.abs().max(1.0) {
            break;
        }
        let point = at(step);
        if point.value > from.value + DECREASE * step * steep || point.value == f64::INFINITY {
            high = step;
        } else {
            let slope = dot(&point.slope, direction);
            let lower = best.as_ref().is_none_or(|best| point.value < best.value);
            let enough = slope.abs() <= -CURVATURE * steep;
            if slope < 0.0 {
                low = step
            } else {
                high = step
            }
            if lower && point.value < from.value {
                best = Some(point);
            }
            if enough {
                break;
            }
        }
        step = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * step };
        if (high - low).abs() < 1e-16 * first.max(1e-300) {
            break;
        }
    }
    best
}

/// H ← (I − ρsyᵀ)H(I − ρysᵀ) + ρssᵀ (equation 6.17).
fn update(inverse: &mut [Vec<f64>], moved: &[f64], turned: &[f64], curvature: f64) {
    let bent = times(inverse, turned, 1.0);
    let size = (1.0 + dot(turned, &bent) / curvature) / curvature;
    for i in 0..moved.len() {
        for j in 0..moved.len() {
            inverse[i][j] +=
                size * moved[i] * moved[j] - (bent[i] * moved[j] + moved[i] * bent[j]) / curvature;
        }
    }
}

fn identity(n: usize) -> Vec<Vec<f64>> {
    (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect()
}

fn times(matrix: &[Vec<f64>], vector: &[f64], scale: f64) -> Vec<f64> {
    matrix.iter().map(|row| scale * dot(row, vector)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rosenbrocks_valley_is_walked_to_its_end() {
        let valley = |x: &[f64], slope: &mut [f64]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            slope[0] = -2.0 * a - 400.0 * x[0] * b;
            slope[1] = 200.0 * b;
            a * a + 100.0 * b * b
        };
        let found = bfgs(valley, &[-1.2, 1.0], 200);
        assert_eq!(found.status, Status::Converged);
        assert!(found.point.iter().all(|x| (x - 1.0).abs() < 1e-6), "{found:?}");
    }

    #[test]
    fn a_wall_of_no_numbers_is_stepped_back_from() {
        let walled = |x: &[f64], slope: &mut [f64]| {
            slope[0] = 1.0 - 1.0 / x[0];
            if x[0] > 0.0 { x[0] - x[0].ln() } else { f64::NAN }
        };
        let found = bfgs(walled, &[8.0], 100);
        assert!((found.point[0] - 1.0).abs() < 1e-6, "{found:?}");
    }
}
