//! The norm of all gradients together, and scaling them down to a limit.

use dress_core::burn::module::Param;
use dress_core::burn::optim::GradientsParams;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout, NamedParameters, ParameterVisitor};
use dress_kernels::sum_of_squares;

/// The L2 norm of all gradients of `module` together.
pub(crate) fn gradient_norm<M: NamedParameters>(module: &M, gradients: &GradientsParams) -> f64 {
    struct Norm<'a> {
        gradients: &'a GradientsParams,
        /// The sum of those that are known already.
        sum: f64,
        /// Those that a device may still be working on.
        squares: Vec<Tensor<1>>,
    }
    impl ParameterVisitor for Norm<'_> {
        fn visit<const D: usize>(&mut self, _name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(parameter.id) {
                match sum_of_squares(&gradient) {
                    Some(sum) => self.sum += sum,
                    None => self.squares.push(gradient.cast(DType::F32).square().sum()),
                }
            }
        }
    }
    let mut norm = Norm { gradients, sum: 0.0, squares: Vec::new() };
    parameters::visit(module, &mut norm);
    if norm.squares.is_empty() {
        return norm.sum.sqrt();
    }
    let squares = Tensor::cat(norm.squares, 0).into_data();
    (norm.sum + squares.iter::<f64>().sum::<f64>()).sqrt()
}

/// Multiplies every gradient of `module` by `factor`.
pub(crate) fn scale<M: NamedParameters>(
    module: &M,
    gradients: GradientsParams,
    factor: f64,
) -> GradientsParams {
    struct Scale {
        gradients: GradientsParams,
        factor: f64,
    }
    impl ParameterVisitor for Scale {
        fn visit<const D: usize>(&mut self, _name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.remove::<D>(parameter.id) {
                self.gradients.register(parameter.id, dress_kernels::scale(gradient, self.factor));
            }
        }
    }
    let mut scale = Scale { gradients, factor };
    parameters::visit(module, &mut scale);
    scale.gradients
}
