//! Principal components.

use crate::Error;
use dress_core::{AxisSlots, Normalization};
use faer::{Mat, Side};

/// Orthogonal directions as columns, and the share of the energy that each carries.
pub(crate) type PrincipalComponents = (Mat<f64>, Vec<f64>);

/// The directions in which a stream with these second moments is turned: its principal components, or under
/// layer norms those with the mean kept where it is.
///
/// # Errors
/// [`Error::Eigen`].
pub(crate) fn components_of_stream(
    moments: &[f64],
    residual: &AxisSlots,
) -> Result<PrincipalComponents, Error> {
    let (basis, energy) = principal_components(moments, residual.len)?;
    Ok(match residual.normalization {
        Some(Normalization::Layer) => keep_the_mean(&basis, &energy),
        _ => (basis, energy),
    })
}

/// The eigenvectors of a symmetric matrix as columns, and what share of its trace each has, greatest first.
pub(crate) fn principal_components(moments: &[f64], width: usize) -> Result<PrincipalComponents, Error> {
    // Products in f32 are symmetric but for rounding.
    let matrix = Mat::from_fn(width, width, |i, j| 0.5 * (moments[i * width + j] + moments[j * width + i]));
    let eigen = matrix
        .self_adjoint_eigen(Side::Lower)
        .map_err(|error| Error::Eigen { reason: format!("{error:?}") })?;
    let (vectors, values) = (eigen.U(), eigen.S().column_vector());
    // Least first.
    let basis = Mat::from_fn(width, width, |i, j| vectors[(i, width - 1 - j)]);
    let trace = values.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let energy = (0..width).map(|j| values[width - 1 - j].max(0.0) / trace).collect();
    Ok((basis, energy))
}

/// `P H^T` of a centred stream, whose last component is the mean's direction and has no energy.
fn keep_the_mean(basis: &Mat<f64>, energy: &[f64]) -> PrincipalComponents {
    let width = basis.nrows();
    let even = 1.0 / (width as f64).sqrt();
    // The first component is the mean; what is left of the others is orthogonal to it.
    let p = Mat::from_fn(width, width, |i, j| if j == 0 { even } else { basis[(i, j - 1)] });
    let helmert = Mat::from_fn(width, width, |i, j| {
        let scale = 1.0 / ((j * (j + 1)) as f64).sqrt();
        match j {
            0 => even,
            _ if i < j => scale,
            _ if i == j => -(j as f64) * scale,
            _ => 0.0,
        }
    });
    // Dropping channel `i` for `i >= k` drops the contrasts from `k` on: components from `k - 1` on.
    let energy = (0..width).map(|i| energy[i.saturating_sub(1)]).collect();
    (p * helmert.transpose(), energy)
}
