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
/// Where no step lowers the value although this share of it was promised, the value's rounding is in the way.
const NOISE: f64 = 1e-12;
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
    let mut search = Search::new(&mut f, start, None);
    let status = search.run(&mut f, steps_max);
    search.minimum(status)
}

/// A search that can be left and gone on with.
pub struct Search {
    here: Point,
    /// The inverse of the matrix of second derivatives, as far as it is known.
    inverse: Vec<Vec<f64>>,
    /// Nothing is known of it.
    is_fresh: bool,
    steps: usize,
}

impl Search {
    /// At its start, with what is known of the curvature there: the inverse of the matrix of second
    /// derivatives, or of something near it.
    pub fn new(
        f: &mut impl FnMut(&[f64], &mut [f64]) -> f64,
        start: &[f64],
        inverse: Option<Vec<Vec<f64>>>,
    ) -> Search {
        let is_fresh = inverse.is_none();
        let inverse = inverse.unwrap_or_else(|| identity(start.len()));
        Search { here: Point::at(start.to_vec(), f), inverse, is_fresh, steps: 0 }
    }

    /// The lowest value so far.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.here.value
    }

    /// Where it is.
    #[must_use]
    pub fn minimum(self, status: Status) -> Minimum {
        Minimum { point: self.here.x, value: self.here.value, steps: self.steps, status }
    }

    /// Takes at most so many steps.
    pub fn run(&mut self, f: &mut impl FnMut(&[f64], &mut [f64]) -> f64, steps: usize) -> Status {
        for _ in 0..steps {
            if let Some(status) = self.step(f) {
                return status;
            }
            self.steps += 1;
        }
        Status::StepLimit
    }

    /// One step; a status where there is none to take.
    fn step(&mut self, f: &mut impl FnMut(&[f64], &mut [f64]) -> f64) -> Option<Status> {
        let scale = self.here.value.abs().max(1.0);
        if self.here.slope.iter().all(|g| g.abs() <= SLOPE_MIN * scale) {
            return Some(Status::Converged);
        }
        let mut direction = times(&self.inverse, &self.here.slope, -1.0);
        if dot(&direction, &self.here.slope) >= 0.0 {
            self.forget();
            direction = self.here.slope.iter().map(|g| -g).collect();
        }
        // half of Newton's decrement: what is left to win, as far as the curvature is known
        let promise = 0.5 * dot(&direction, &self.here.slope).abs();
        if !self.is_fresh && promise < PROMISE_MIN * scale {
            return Some(Status::Converged);
        }
        // the first step of a fresh matrix has no scale of its own
        let length = dot(&direction, &direction).sqrt();
        let first = if self.is_fresh { (1.0 / length).min(1.0) } else { 1.0 };
        let Some(next) = search(f, &self.here, &direction, first) else {
            let is_done = self.is_fresh || promise < NOISE * scale;
            self.forget();
            return is_done.then_some(Status::Converged);
        };
        self.learn(&next);
        self.here = next;
        None
    }

    fn forget(&mut self) {
        self.inverse = identity(self.here.x.len());
        self.is_fresh = true;
    }

    /// What a step says about the curvature.
    fn learn(&mut self, next: &Point) {
        let apart =
            |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a - b).collect() };
        let moved = apart(&next.x, &self.here.x);
        let turned = apart(&next.slope, &self.here.slope);
        let curvature = dot(&moved, &turned);
        if curvature <= 1e-14 * dot(&turned, &turned).sqrt() * dot(&moved, &moved).sqrt() {
            return;
        }
        if self.is_fresh {
            let size = curvature / dot(&turned, &turned);
            self.inverse.iter_mut().for_each(|row| row.iter_mut().for_each(|h| *h *= size));
        }
        update(&mut self.inverse, &moved, &turned, curvature);
        self.is_fresh = false;
    }
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
    fn known_curvature_is_used_and_a_search_goes_on() {
        // ½(4x² + y²): with its curvature known, one step and no more
        let mut bowl = |x: &[f64], slope: &mut [f64]| {
            (slope[0], slope[1]) = (4.0 * x[0], x[1]);
            2.0 * x[0] * x[0] + 0.5 * x[1] * x[1]
        };
        let inverse = vec![vec![0.25, 0.0], vec![0.0, 1.0]];
        let mut known = Search::new(&mut bowl, &[3.0, -5.0], Some(inverse));
        assert_eq!(known.run(&mut bowl, 1), Status::StepLimit);
        assert!(known.value() < 1e-28);
        assert_eq!(known.run(&mut bowl, 1), Status::Converged);
        let mut unknown = Search::new(&mut bowl, &[3.0, -5.0], None);
        assert_eq!(unknown.run(&mut bowl, 1), Status::StepLimit);
        assert!(unknown.value() > 1e-3);
        let whole = bfgs(&mut bowl, &[3.0, -5.0], 50);
        let status = unknown.run(&mut bowl, 49);
        assert_eq!(unknown.minimum(status), whole);
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
