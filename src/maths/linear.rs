//! Linear algebra on small dense matrices: Cholesky's factor of a correlation matrix.

/// Why a matrix has no factor.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum CholeskyError {
    /// Rows and columns.
    #[error("{numbers} numbers are no square matrix of {size} rows")]
    Shape {
        /// Numbers given.
        numbers: usize,
        /// Rows asked for.
        size: usize,
    },
    /// What stands in it.
    #[error(
        "row {row}, column {column} holds {value}; a correlation matrix is symmetric and finite"
    )]
    Entry {
        /// Row, from zero.
        row: usize,
        /// Column, from zero.
        column: usize,
        /// What stands there.
        value: f64,
    },
    /// Singular or indefinite.
    #[error(
        "the matrix is not positive definite: row {row} is (nearly) a combination of those before \
         it (pivot {pivot:.3e})"
    )]
    NotPositive {
        /// Row, from zero.
        row: usize,
        /// What was left of its variance.
        pivot: f64,
    },
}

/// A pivot below this share of its diagonal entry is rounding noise.
const PIVOT_MIN: f64 = 1e-12;
/// Entries mirrored across the diagonal may differ by this share.
const ASYMMETRY_MAX: f64 = 1e-9;

/// Lower triangular L with L·Lᵀ = `matrix` (row by row, `size` × `size`).
///
/// # Errors
/// When the matrix is not square, not symmetric, not finite, or not positive definite.
pub fn cholesky(matrix: &[f64], size: usize) -> Result<Vec<f64>, CholeskyError> {
    if matrix.len() != size * size {
        return Err(CholeskyError::Shape { numbers: matrix.len(), size });
    }
    for row in 0..size {
        for column in 0..=row {
            let (value, mirror) = (matrix[row * size + column], matrix[column * size + row]);
            if !value.is_finite() || (value - mirror).abs() > ASYMMETRY_MAX * value.abs().max(1.0) {
                return Err(CholeskyError::Entry { row, column, value });
            }
        }
    }
    let mut factor = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..=row {
            let dot: f64 =
                (0..column).map(|k| factor[row * size + k] * factor[column * size + k]).sum();
            let rest = matrix[row * size + column] - dot;
            if row == column {
                if rest <= PIVOT_MIN * matrix[row * size + row].abs() {
                    return Err(CholeskyError::NotPositive { row, pivot: rest });
                }
                factor[row * size + row] = rest.sqrt();
            } else {
                factor[row * size + column] = rest / factor[column * size + column];
            }
        }
    }
    Ok(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_times_itself_is_the_matrix() {
        let matrix = [4.0, 2.0, -1.0, 2.0, 3.0, 0.5, -1.0, 0.5, 2.0];
        let factor = cholesky(&matrix, 3).expect("positive definite");
        for row in 0..3 {
            for column in 0..3 {
                let dot: f64 = (0..3).map(|k| factor[row * 3 + k] * factor[column * 3 + k]).sum();
                assert!((dot - matrix[row * 3 + column]).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn what_has_no_factor_is_named() {
        let singular = [1.0, 1.0, 1.0, 1.0];
        assert!(matches!(cholesky(&singular, 2), Err(CholeskyError::NotPositive { row: 1, .. })));
        let nan = [1.0, f64::NAN, f64::NAN, 1.0];
        assert!(matches!(cholesky(&nan, 2), Err(CholeskyError::Entry { row: 1, column: 0, .. })));
        let crooked = [1.0, 0.2, 0.3, 1.0];
        assert!(matches!(cholesky(&crooked, 2), Err(CholeskyError::Entry { .. })));
        assert!(matches!(cholesky(&[1.0], 2), Err(CholeskyError::Shape { .. })));
    }
}
