//! How parameters lie in memory, as their model says.

use super::name_path::{NamePath, ParameterPlace};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use std::collections::BTreeSet;

/// How a parameter in memory relates to the same parameter in a Hugging Face file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The same order of dimensions.
    AsFiled,
    /// A matrix whose two dimensions are exchanged.
    Transposed,
}

impl Layout {
    /// How Burn's own modules keep a parameter: the weight of its `Linear` is `[in, out]`, and the files have
    /// `[out, in]`. A model names this where every matrix of it is in one of Burn's modules. Burn says no
    /// more of a module than its type's name, so another's `Linear` is taken for Burn's.
    pub fn of_burn(place: &ParameterPlace<'_>) -> Self {
        match place {
            ParameterPlace { holder: "Struct:Linear", rank: 2, .. } => Layout::Transposed,
            _ => Layout::AsFiled,
        }
    }

    /// The dimension in memory of dimension `dim` in the file.
    pub fn dim(self, dim: usize) -> usize {
        match self {
            Layout::AsFiled => dim,
            Layout::Transposed => 1 - dim,
        }
    }

    /// The shape in the file of a parameter of shape `shape` in memory, and back.
    pub fn shape(self, shape: &[usize]) -> Vec<usize> {
        match self {
            Layout::AsFiled => shape.to_vec(),
            Layout::Transposed => vec![shape[1], shape[0]],
        }
    }
}

/// A module whose parameters have the names of a Hugging Face checkpoint, and that says how each lies in
/// memory.
///
/// A module that is built of Burn's `Linear` and `Embedding` says [`Layout::of_burn`]. One that keeps a
/// matrix otherwise says how:
///
/// ```
/// use dress_core::burn::module::{Module, Param};
/// use dress_core::burn::tensor::{Device, Tensor};
/// use dress_core::parameters::{self, Layout, NamedParameters, ParameterPlace};
///
/// /// A head whose weight is `[in, out]`, though no `Linear` holds it.
/// #[derive(Module, Debug)]
/// struct Head {
///     weight: Param<Tensor<2>>,
/// }
///
/// impl NamedParameters for Head {
///     fn layout(&self, _place: &ParameterPlace<'_>) -> Layout {
///         Layout::Transposed
///     }
/// }
///
/// let weight = Tensor::<2>::zeros([8, 32], &Device::flex());
/// let head = Head { weight: Param::from_tensor(weight) };
/// assert_eq!(parameters::list(&head)[0].shape, [32, 8]);
/// ```
pub trait NamedParameters: Module {
    /// How a parameter lies in memory.
    fn layout(&self, place: &ParameterPlace<'_>) -> Layout;
}

/// The parameters of a module that lie transposed: what is known of the layouts while the module is taken
/// apart.
pub(super) struct Layouts(BTreeSet<String>);

impl Layouts {
    pub fn of<M: NamedParameters>(module: &M) -> Self {
        let mut gathering = Gathering { path: NamePath::default(), module, transposed: BTreeSet::new() };
        module.visit(&mut gathering);
        Self(gathering.transposed)
    }

    pub fn get(&self, name: &str) -> Layout {
        if self.0.contains(name) { Layout::Transposed } else { Layout::AsFiled }
    }
}

struct Gathering<'a, M> {
    path: NamePath,
    module: &'a M,
    transposed: BTreeSet<String>,
}

impl<M: NamedParameters> ModuleVisitor for Gathering<'_, M> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, _parameter: &Param<Tensor<D>>) {
        let name = self.path.name();
        if self.module.layout(&self.path.place(&name, D)) == Layout::Transposed {
            self.transposed.insert(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::{ParameterMapper, ParameterSource, fill, list, map};
    use burn::tensor::Device;

    /// Somebody's own, of the same name as Burn's, with its weight as the files have it.
    #[derive(Module, Debug)]
    struct Linear {
        weight: Param<Tensor<2>>,
    }

    /// The same weight under the layout that Burn's has, and under its own.
    #[derive(Module, Debug)]
    struct AsBurns {
        linear: Linear,
    }

    #[derive(Module, Debug)]
    struct Said {
        linear: Linear,
    }

    impl NamedParameters for AsBurns {
        fn layout(&self, place: &ParameterPlace<'_>) -> Layout {
            Layout::of_burn(place)
        }
    }

    impl NamedParameters for Said {
        fn layout(&self, place: &ParameterPlace<'_>) -> Layout {
            assert_eq!(place.name, "linear.weight");
            Layout::AsFiled
        }
    }

    fn linear() -> Linear {
        Linear { weight: Param::from_tensor(Tensor::ones([2, 3], &Device::flex())) }
    }

    /// Takes down the layouts of what it maps or gives.
    struct Seen(Vec<Layout>);

    impl ParameterMapper for Seen {
        fn map<const D: usize>(&mut self, _: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
            self.0.push(layout);
            value
        }
    }

    impl ParameterSource<()> for Seen {
        fn value<const D: usize>(
            &mut self,
            _: &str,
            layout: Layout,
            shape: [usize; D],
        ) -> Result<Tensor<D>, ()> {
            self.0.push(layout);
            Ok(Tensor::zeros(shape, &Device::flex()))
        }
    }

    #[test]
    fn what_the_model_says_of_its_layout_is_what_visitors_mappers_and_sources_get() {
        let (as_burns, said) = (AsBurns { linear: linear() }, Said { linear: linear() });
        assert_eq!(list(&as_burns)[0].shape, [3, 2], "as in Burn's Linear");
        assert_eq!(list(&said)[0].shape, [2, 3]);
        let mut seen = Seen(Vec::new());
        map(as_burns, &mut seen);
        let said = map(said, &mut seen);
        fill(said, &mut seen).unwrap();
        assert_eq!(seen.0, [Layout::Transposed, Layout::AsFiled, Layout::AsFiled]);
    }
}
