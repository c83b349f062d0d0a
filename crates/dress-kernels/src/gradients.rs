//! Passes over gradients.

use crate::fused::{Inputs, numbers};
use crate::vector::{TASK, sum, vectorized};
use burn::backend::Flex;
use burn::tensor::Tensor;
use rayon::prelude::*;

/// The sum of the squares of all numbers.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let ones = Tensor::<2>::ones([2, 3], &Device::flex());
/// assert_eq!(dress_kernels::sum_of_squares(&ones), Some(6.0));
/// ```
pub fn sum_of_squares<const D: usize>(tensor: &Tensor<D>) -> Option<f64> {
    let Inputs::Plain([tensor]) = Inputs::new([tensor.clone().into_dispatch()])? else { return None };
    let tensor = tensor.to_contiguous();
    let squares = |x: &[f32]| {
        f64::from(vectorized(
            #[inline(always)]
            || {
                sum(
                    x.len(),
                    #[inline(always)]
                    |i| x[i] * x[i],
                )
            },
        ))
    };
    let parts: Vec<f64> = numbers(&tensor).par_chunks(TASK).map(squares).collect();
    Some(parts.iter().sum())
}

/// Every number times `factor`, in place where nothing else holds the tensor.
pub fn scale<const D: usize>(tensor: Tensor<D>, factor: f64) -> Tensor<D> {
    let shared = tensor.clone().into_dispatch();
    match Inputs::new([shared]) {
        Some(Inputs::Plain([inner])) if inner.is_contiguous() => {
            drop(tensor);
            let mut inner = inner;
            let len = inner.layout().num_elements();
            let start = inner.layout().start_offset();
            let factor = factor as f32;
            let numbers = &mut inner.storage_mut::<f32>()[start..start + len];
            numbers.par_chunks_mut(TASK).for_each(|numbers| {
                vectorized(
                    #[inline(always)]
                    || numbers.iter_mut().for_each(|x| *x *= factor),
                );
            });
            Tensor::from_primitive::<Flex>(inner)
        }
        _ => tensor * factor,
    }
}
