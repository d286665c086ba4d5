//! Factor models: a few series that move many assets.
//!
//! `statistical` finds them by principal components and says how many there are; `latent` finds them with
//! dynamics of their own; `given` takes the user's and regresses on them; `dynamic` lets an asset's slopes on
//! given factors move. The dynamics are Kalman filters'. Each says what is explained, and all but the last
//! make a covariance B·F·B' + D of it.

pub mod dynamic;
pub mod given;
pub mod latent;
pub mod statistical;

use faer::Mat;

/// B·F·B' + D, D the variances that factors do not explain.
fn assembled(slopes: &Mat<f64>, factors: &Mat<f64>, own: &[f64]) -> Mat<f64> {
    let shared = slopes * factors * slopes.transpose();
    let n = own.len();
    Mat::from_fn(n, n, |i, j| {
        let both = 0.5 * (shared[(i, j)] + shared[(j, i)]);
        if i == j { both + own[i] } else { both }
    })
}
