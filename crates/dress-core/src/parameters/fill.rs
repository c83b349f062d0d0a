//! Giving values to parameters that were only declared.

use super::layout::Layouts;
use super::name_path::NamePath;
use super::{Layout, NamedParameters};
use burn::module::{ModuleMapper, Param};
use burn::tensor::Tensor;

/// Gives values to the parameters of a module that was only declared.
pub trait ParameterSource<E> {
    /// The value of one parameter, of the given shape in memory.
    ///
    /// # Errors
    /// Where there is none, or none that fits.
    fn value<const D: usize>(
        &mut self,
        name: &str,
        layout: Layout,
        shape: [usize; D],
    ) -> Result<Tensor<D>, E>;
}

struct Filling<'a, S, E> {
    path: NamePath,
    layouts: Layouts,
    wanted: &'a dyn Fn(&str) -> bool,
    source: &'a mut S,
    error: Option<E>,
}

impl<S: ParameterSource<E>, E> ModuleMapper for Filling<'_, S, E> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
        if self.error.is_some() || !(self.wanted)(&name) {
            return parameter;
        }
        let shape = parameter.lazy_shape().dims();
        match self.source.value(&name, self.layouts.get(&name), shape) {
            Ok(value) => Param::initialized(parameter.id, value).set_require_grad(true),
            Err(error) => {
                self.error = Some(error);
                parameter
            }
        }
    }
}

/// Gives every float parameter of `module` the value that `source` has for it, without ever
/// initializing the ones that were declared lazily. All of them can be trained.
///
/// # Errors
/// The first that `source` returns.
pub fn fill<M: NamedParameters, E>(module: M, source: &mut impl ParameterSource<E>) -> Result<M, E> {
    fill_where(module, &|_| true, source)
}

/// As [`fill`], of the parameters whose name is `wanted`; the others stay as they were declared.
///
/// # Errors
/// The first that `source` returns.
pub fn fill_where<M: NamedParameters, E>(
    module: M,
    wanted: &dyn Fn(&str) -> bool,
    source: &mut impl ParameterSource<E>,
) -> Result<M, E> {
    let (path, layouts) = (NamePath::default(), Layouts::of(&module));
    let mut filling = Filling { path, layouts, wanted, source, error: None };
    let module = module.map(&mut filling);
    match filling.error {
        Some(error) => Err(error),
        None => Ok(module),
    }
}
