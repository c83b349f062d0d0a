//! Parameters under their Hugging Face names, whatever their layout in memory.
//!
//! Burn's `Linear` keeps its weight as `[in, out]`, the files as `[out, in]`. Slots speak of the files; the
//! [`Layout`] that comes with every parameter here says how to get from one to the other, and the model says
//! which it is ([`NamedParameters`]). Variants of an enum of models do not show in the names.

mod fill;
mod layout;
mod name_path;

pub use fill::{ParameterSource, fill, fill_where};
pub use layout::{Layout, NamedParameters};
pub use name_path::ParameterPlace;

use burn::module::{ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Tensor};
use layout::Layouts;
use name_path::NamePath;
use std::collections::HashMap;

/// A parameter's name, shape and kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterInfo {
    /// The Hugging Face name.
    pub name: String,
    /// The shape in the Hugging Face layout.
    pub shape: Vec<usize>,
    /// The type of its elements in memory.
    pub dtype: DType,
    /// Burn's id, by which gradients and optimizer states are found.
    pub id: ParamId,
    /// How it lies in memory.
    pub layout: Layout,
}

impl ParameterInfo {
    /// How many numbers it has.
    pub fn elements(&self) -> u64 {
        self.shape.iter().product::<usize>() as u64
    }
}

/// Sees every float parameter under its Hugging Face name.
pub trait ParameterVisitor {
    /// Called once a parameter.
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>);
}

/// Replaces float parameters under their Hugging Face names.
pub trait ParameterMapper {
    /// Called once a parameter, with its value; the shape may change, the rank may not.
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D>;
}

struct Visiting<'a, M, V> {
    path: NamePath,
    module: &'a M,
    visitor: &'a mut V,
}

impl<M: NamedParameters, V: ParameterVisitor> ModuleVisitor for Visiting<'_, M, V> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let name = self.path.name();
        let layout = self.module.layout(&self.path.place(&name, D));
        self.visitor.visit(&name, layout, parameter);
    }
}

struct Mapping<'a, F> {
    path: NamePath,
    layouts: Layouts,
    mapper: &'a mut F,
    /// Whether the new values stay on the autodiff graph of the old ones.
    attached: bool,
    /// Whether parameters that were only declared are passed over.
    initialized: bool,
}

impl<'a, F: ParameterMapper> Mapping<'a, F> {
    /// The mapping of every parameter of `module`, to values that are on no graph.
    fn new<M: NamedParameters>(module: &M, mapper: &'a mut F) -> Self {
        let (path, layouts) = (NamePath::default(), Layouts::of(module));
        Self { path, layouts, mapper, attached: false, initialized: false }
    }
}

impl<F: ParameterMapper> ModuleMapper for Mapping<'_, F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.initialized && !parameter.is_initialized() {
            return parameter;
        }
        let name = self.path.name();
        let layout = self.layouts.get(&name);
        let (id, value, param_mapper) = parameter.consume();
        if self.attached {
            return Param::from_mapped_value(id, self.mapper.map(&name, layout, value), param_mapper);
        }
        let (tracked, strategy) = (value.is_require_grad(), value.gradient_checkpointing_strategy());
        // Burn keeps operands of untracked operations too until the next backward pass, on the graph.
        let value = self.mapper.map(&name, layout, value.without_autodiff()).without_autodiff();
        let value = match strategy {
            Some(strategy) => value.autodiff().with_gradient_checkpointing_strategy(strategy),
            None => value,
        };
        let value = if tracked { value.require_grad() } else { value };
        Param::from_mapped_value(id, value, param_mapper)
    }
}

/// Shows every float parameter of `module` to `visitor`.
pub fn visit<M: NamedParameters>(module: &M, visitor: &mut impl ParameterVisitor) {
    module.visit(&mut Visiting { path: NamePath::default(), module, visitor });
}

/// Replaces every float parameter of `module` by what `mapper` makes of it. Ids stay, and so does whether a
/// parameter is trained; the new values are leaves of the autodiff graph. The mapper gets values, and makes
/// values, that are on none.
pub fn map<M: NamedParameters>(module: M, mapper: &mut impl ParameterMapper) -> M {
    let mut mapping = Mapping::new(&module, mapper);
    module.map(&mut mapping)
}

/// As [`map`], of the parameters that have their values; those that were only declared stay so.
pub fn map_initialized<M: NamedParameters>(module: M, mapper: &mut impl ParameterMapper) -> M {
    let mut mapping = Mapping { initialized: true, ..Mapping::new(&module, mapper) };
    module.map(&mut mapping)
}

/// A module whose float parameters are what `mapper` makes of those of `module`, on the autodiff graph of
/// those: what is computed with it has gradients with respect to the parameters of `module`.
pub fn derive<M: NamedParameters>(module: &M, mapper: &mut impl ParameterMapper) -> M {
    let mut mapping = Mapping { attached: true, ..Mapping::new(module, mapper) };
    module.clone().map(&mut mapping)
}

/// Name, shape and kind of every float parameter, in the module's order.
pub fn list<M: NamedParameters>(module: &M) -> Vec<ParameterInfo> {
    struct List(Vec<ParameterInfo>);
    impl ParameterVisitor for List {
        fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
            let shape = layout.shape(parameter.lazy_shape().as_slice());
            let dtype = if parameter.is_initialized() { parameter.base().dtype() } else { DType::F32 };
            self.0.push(ParameterInfo { name: name.into(), shape, dtype, id: parameter.id, layout });
        }
    }
    let mut list = List(Vec::new());
    visit(module, &mut list);
    list.0
}

/// How many numbers the parameters hold. A tied head is counted once, as it is stored.
pub fn count<M: NamedParameters>(module: &M) -> u64 {
    list(module).iter().map(|p| p.shape.iter().product::<usize>() as u64).sum()
}

/// The names of all parameters by Burn's id.
pub fn names<M: NamedParameters>(module: &M) -> HashMap<ParamId, String> {
    list(module).into_iter().map(|p| (p.id, p.name)).collect()
}

/// The number of the layer that a parameter's path leads through: its first segment that is a number.
pub fn layer_of(parameter: &str) -> Option<usize> {
    parameter.split('.').find_map(|segment| segment.parse().ok())
}

/// The path of the same parameter in layer `layer`.
pub fn in_layer(parameter: &str, layer: usize) -> String {
    let mut segments: Vec<&str> = parameter.split('.').collect();
    let number = layer.to_string();
    if let Some(segment) = segments.iter_mut().find(|segment| segment.parse::<usize>().is_ok()) {
        *segment = &number;
    }
    segments.join(".")
}

/// What each structure of a slot owns of a parameter, a row a structure.
///
/// # Shapes
/// - `value`: a vector or a matrix, with `structures * block` indices along `dim` (in memory)
/// - returns `[structures, block * other]`
///
/// # Panics
/// Where `value` has more than two dimensions: no slot of a language model does.
pub fn groups<const D: usize>(value: Tensor<D>, dim: usize, block: usize) -> Tensor<2> {
    let dims = value.dims();
    let structures = dims[dim] / block;
    let elements = dims.iter().product::<usize>() / structures;
    match (D, dim) {
        (1, 0) | (2, 0) => value.reshape([structures, elements]),
        (2, 1) => value.swap_dims(0, 1).reshape([structures, elements]),
        _ => panic!("a slot of dimension {dim} in a parameter of rank {D}"),
    }
}

/// The inverse of [`groups`]: the parameter of shape `dims` whose groups those are.
///
/// # Panics
/// As [`groups`].
pub fn ungroup<const D: usize>(groups: Tensor<2>, dims: [usize; D], dim: usize) -> Tensor<D> {
    match (D, dim) {
        (1, 0) | (2, 0) => groups.reshape(dims),
        (2, 1) => groups.reshape([dims[1], dims[0]]).swap_dims(0, 1).reshape(dims),
        _ => panic!("a slot of dimension {dim} in a parameter of rank {D}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{Device, Int};

    impl NamedParameters for Linear {
        fn layout(&self, place: &ParameterPlace<'_>) -> Layout {
            Layout::of_burn(place)
        }
    }

    fn counting<const D: usize>(dims: [usize; D]) -> Tensor<D> {
        let len = dims.iter().product::<usize>() as i64;
        Tensor::<1, Int>::arange(0..len, &Device::flex()).float().reshape(dims)
    }

    #[test]
    fn groups_are_what_each_structure_owns() {
        let rows = |groups: Tensor<2>| -> Vec<f32> { groups.into_data().iter().collect() };
        assert_eq!(rows(groups(counting([4]), 0, 2)), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(groups(counting([4, 3]), 0, 2).dims(), [2, 6]);
        // Of a matrix of two rows and four columns, two columns each.
        assert_eq!(rows(groups(counting([2, 4]), 1, 2)), [0.0, 4.0, 1.0, 5.0, 2.0, 6.0, 3.0, 7.0]);
    }

    #[test]
    fn ungrouped_groups_are_the_parameter() {
        for (dim, block) in [(0, 1), (0, 3), (1, 1), (1, 2)] {
            let whole = counting([6, 4]);
            let again = ungroup(groups(whole.clone(), dim, block), [6, 4], dim);
            again.into_data().assert_eq(&whole.into_data(), true);
        }
        let vector = counting([6]);
        ungroup(groups(vector.clone(), 0, 3), [6], 0).into_data().assert_eq(&vector.into_data(), true);
    }

    #[test]
    fn what_is_mapped_on_a_graph_leaves_nothing_of_the_old_values_there() {
        /// Doubles values, and knows whether the last was on a graph.
        struct Twice(Option<bool>);
        impl ParameterMapper for Twice {
            fn map<const D: usize>(&mut self, _: &str, _: Layout, value: Tensor<D>) -> Tensor<D> {
                self.0 = Some(value.is_autodiff());
                value * 2.0
            }
        }
        let device = Device::flex().autodiff().gradient_checkpointing();
        let linear = LinearConfig::new(2, 3).with_bias(false).init(&device);
        let (before, strategy) = (linear.weight.val(), linear.weight.val().gradient_checkpointing_strategy());
        let mut twice = Twice(None);
        let after = map(linear, &mut twice).weight.val();
        assert_eq!(twice.0, Some(false));
        assert!(strategy.is_some() && after.gradient_checkpointing_strategy() == strategy);
        assert!(after.is_require_grad() && before.is_require_grad());
        let gradients = (after.clone() * after.clone()).sum().backward();
        let slopes = after.grad(&gradients).unwrap().into_data();
        slopes.assert_eq(&(before.without_autodiff() * 4.0).into_data(), true);
    }

    #[test]
    fn the_layer_in_a_path_is_found_and_replaced() {
        let name = "model.layers.3.mlp.up_proj.weight";
        assert_eq!((layer_of(name), layer_of("lm_head.weight")), (Some(3), None));
        assert_eq!(in_layer(name, 12), "model.layers.12.mlp.up_proj.weight");
    }
}
