//! Which random numbers a path takes: its own, mirrored, tilted, or a Sobol point's.

use super::job::{Dependence, JobError, Paths, Shocks};
use crate::compute::philox::formula::normals;
use crate::compute::philox::{Counters, Stream};
use crate::compute::singles::Words;
use crate::compute::sobol::{Sobol, SobolError};

/// How numbers are drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Draws {
    /// Every path its own.
    #[default]
    Plain,
    /// The same with the normals' signs turned (antithetic); days and mixing stay.
    Mirrored,
    /// Normals shifted, mixing stretched, each path with the logarithm of its likelihood ratio.
    Tilted(Tilt),
    /// Coordinates of scrambled Sobol points.
    Points(Points),
}

/// Another measure g for the normals and the mixing χ² of a path, and the ratio of the old one f to it.
///
/// Normals z get a shift θ, one a step and place; χ² of ν degrees is multiplied by c:
/// ln f/g = ½|θ|² − θ·z + steps·(ν/2)·ln c + Σ χ²·(1/c − 1)/2, at the z and χ² that the path has.
#[derive(Clone, Debug, PartialEq)]
pub struct Tilt {
    /// θ, `[step][place]`.
    pub(crate) shifts: Vec<f32>,
    /// Whether paths follow g; otherwise f, with the same ratio told.
    pub(crate) is_applied: bool,
    /// The ratio's constant.
    pub(crate) base: f32,
    /// What the mixing is multiplied by, 1/√c.
    pub(crate) root: f32,
    /// What the ratio gains for each 1/mixing².
    pub(crate) slope: f32,
}

/// Points, and which coordinates are whose.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    pub(crate) sobol: Sobol,
    /// The first coordinate of shocks, behind those of mixing or days, whose weight is greater.
    pub(crate) shocks: usize,
    /// Coordinates of a step's (or of a single asset's block of steps') shocks.
    pub(crate) stride: usize,
}

impl Paths {
    /// The same paths with every normal's sign turned.
    #[must_use]
    pub fn mirrored(&self) -> Paths {
        self.drawn(Draws::Mirrored)
    }

    /// Paths under another measure, or under the old one with the same ratio told: `shifts[step][place]`,
    /// and what the mixing χ² is multiplied by (1 where shocks are not mixed).
    ///
    /// # Errors
    /// Shocks that are no normals, or shifts of another shape.
    pub fn tilted(
        &self,
        shifts: Vec<f32>,
        stretch: f64,
        is_applied: bool,
    ) -> Result<Paths, JobError> {
        let steps = self.steps() as usize;
        let wanted = steps * self.dependence().width(self.assets().len());
        if shifts.len() != wanted {
            return Err(JobError::Shape { what: "shifts", found: shifts.len(), wanted });
        }
        if let Some(index) = shifts.iter().position(|x| !x.is_finite()) {
            return Err(JobError::NotFinite { what: "shift", index, value: shifts[index] });
        }
        let nu = match self.shocks() {
            Shocks::Normal if stretch.to_bits() == 1_f64.to_bits() => 0.0,
            Shocks::MixedStudent { nu, .. } if stretch.is_finite() && stretch > 0.0 => *nu,
            _ => return Err(JobError::Tilt),
        };
        let squares: f64 = shifts.iter().map(|&x| f64::from(x).powi(2)).sum();
        let tilt = Tilt {
            shifts,
            is_applied,
            base: (0.5 * squares + 0.5 * nu * steps as f64 * stretch.ln()) as f32,
            root: (1.0 / stretch.sqrt()) as f32,
            // χ² is (ν − 2)/mixing²
            slope: (0.5 * (nu - 2.0) * (1.0 / stretch - 1.0)) as f32,
        };
        Ok(self.drawn(Draws::Tilted(tilt)))
    }

    /// Paths of scrambled Sobol points, 2^log points a replicate.
    ///
    /// # Errors
    /// More numbers a path than points have coordinates.
    pub fn on_points(&self, log: u32, replicates: usize) -> Result<Paths, SobolError> {
        let steps = self.steps() as usize;
        let per = if matches!(self.shocks(), Shocks::Student(_)) { 2 } else { 4 };
        let by_four = steps.div_ceil(4) * 4;
        let (shocks, stride, blocks) = match self.shocks() {
            Shocks::Days { .. } => (by_four, 0, 0),
            _ if self.is_single() => (0, 4, steps.div_ceil(per)),
            shocks => {
                let mixing = matches!(shocks, Shocks::MixedStudent { .. });
                let width = self.dependence().width(self.assets().len());
                (if mixing { by_four } else { 0 }, 4 * width.div_ceil(per), steps)
            }
        };
        let sobol = Sobol::new(self.seed(), shocks + stride * blocks, log, replicates)?;
        Ok(self.drawn(Draws::Points(Points { sobol, shocks, stride })))
    }

    /// The normals of a path, `[step][place]`, and the mixing χ² of each step where shocks are mixed: of a
    /// job that is not a single asset's, or is tilted.
    #[must_use]
    pub fn numbers_of(&self, path: u64) -> (Vec<f32>, Vec<f64>) {
        let source = Source::<u32>::new(self, path);
        let width = self.dependence().width(self.assets().len());
        let mut drawn = Vec::with_capacity(self.steps() as usize * width);
        let mut mixed = Vec::new();
        for step in 0..self.steps() {
            let of_block = |block: usize| {
                let [a, b, c, d] = source.block(Stream::Shocks, step, block as u32);
                let ((x, y), (z, w)) = (normals(a, b), normals(c, d));
                [x, y, z, w]
            };
            drawn.extend((0..width.div_ceil(4)).flat_map(of_block).take(width));
            if let Shocks::MixedStudent { nu, mixing } = self.shocks() {
                let words = source.block(Stream::Mixing, step / 4, 0);
                let mixing = f64::from(mixing.look_up(words[(step % 4) as usize]));
                mixed.push((nu - 2.0) / (mixing * mixing));
            }
        }
        (drawn, mixed)
    }

    /// How numbers are drawn.
    #[must_use]
    pub fn draws(&self) -> &Draws {
        &self.draws
    }

    /// Rows of a block: a return an asset, and the likelihood ratio's logarithm behind them where paths
    /// are tilted.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.assets().len() + usize::from(matches!(self.draws, Draws::Tilted(_)))
    }

    /// Whether it is one asset that takes its steps from one block of words after the other.
    pub(crate) fn is_single(&self) -> bool {
        self.assets().len() == 1
            && matches!(self.dependence(), Dependence::Independent)
            && matches!(self.shocks(), Shocks::Normal | Shocks::Student(_))
            && !matches!(self.draws, Draws::Tilted(_))
    }
}

/// Where the words of paths side by side come from.
pub(crate) struct Source<'a, W> {
    counters: Counters<W>,
    points: Option<&'a Points>,
    path: u64,
}

impl<'a, W: Words> Source<'a, W> {
    /// Paths `path`, `path + 1`, … in the lanes.
    #[inline(always)]
    pub(crate) fn new(job: &'a Paths, path: u64) -> Source<'a, W> {
        let points = match &job.draws {
            Draws::Points(points) => Some(points),
            _ => None,
        };
        Source { counters: Counters::new(job.seed(), path), points, path }
    }

    /// Four words of every path.
    #[inline(always)]
    pub(crate) fn block(&self, stream: Stream, step: u32, block: u32) -> [W; 4] {
        let Some(points) = self.points else {
            return self.counters.block(stream, step, block);
        };
        let first = match stream {
            Stream::Shocks => points.shocks + step as usize * points.stride,
            _ => 4 * step as usize,
        };
        points.sobol.block(self.path, first + 4 * block as usize)
    }
}
