//! Regularizing the structures that are about to go.

use crate::Error;
use burn::tensor::Tensor;

/// A term over the selected structures of one slot.
///
/// `groups` is `[structures, elements]`: row `i` holds what the slot keeps of the selected
/// structure `i`, as a view of the parameter that autodiff sees through.
///
/// # Examples
/// ```
/// use dress_core::burn::tensor::{Device, Tensor};
/// use dress_core::{Error, Penalty};
///
/// /// The sum over structures of the largest weight's size.
/// struct Largest;
///
/// impl Penalty for Largest {
///     fn name(&self) -> &str {
///         "largest"
///     }
///     fn value(&self, groups: Tensor<2>) -> Result<Tensor<1>, Error> {
///         Ok(groups.abs().max_dim(1).sum())
///     }
/// }
///
/// let groups = Tensor::<2>::from_floats([[1.0, -3.0], [0.5, 0.0]], &Device::flex());
/// assert_eq!(Largest.value(groups)?.into_scalar::<f32>(), 3.5);
/// # Ok::<(), Error>(())
/// ```
pub trait Penalty: Send + Sync {
    /// The name a result records, such as `group`.
    fn name(&self) -> &str;

    /// The penalty of one slot's selected structures, before any weight. `[1]`
    ///
    /// # Errors
    /// Whatever the penalty ran into: [`Error::other`] hands it on as it is, and the run ends with it.
    fn value(&self, groups: Tensor<2>) -> Result<Tensor<1>, Error>;

    /// The proximal step: `groups` moved toward zero by `thresholds` (`[structures, 1]`), reaching
    /// exact zeros, or `None` where this penalty has no closed form for it.
    ///
    /// # Errors
    /// As [`Penalty::value`].
    fn shrink(&self, groups: Tensor<2>, thresholds: Tensor<2>) -> Result<Option<Tensor<2>>, Error> {
        let _ = (groups, thresholds);
        Ok(None)
    }

    /// The least thresholds at which one [`Penalty::shrink`] takes each structure to zero: the dual
    /// norm of each row. `[structures, 1]`; `None` where `shrink` is.
    ///
    /// # Errors
    /// As [`Penalty::value`].
    fn thresholds_to_zero(&self, groups: Tensor<2>) -> Result<Option<Tensor<2>>, Error> {
        let _ = groups;
        Ok(None)
    }
}
