//! Taking the mean out of a stream that layer norms read (identity [E3]).
//!
//! [E3]: dress_core::identities#e3

use dress_core::burn::tensor::{DType, Tensor, TensorData};
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{Axis, CausalLm, CouplingMap, Error, Normalization, Role, Selection};
use std::collections::HashMap;

/// Puts `M = I - 11^T / d` into everything that writes a stream read by layer norms. They take the mean
/// out anyway, so the logits stay; afterwards they act on it as root-mean-square norms do, which can be
/// sliced. An embedding that is the head as well is left as it is, since its mean shows in the logits;
/// [`Recentring`] sees to it while there is training to make up for that.
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::CausalLm;
///
/// // A LLaMA's RMSNorm takes no mean off, so that there is nothing to take out.
/// let architecture = model.architecture().to_string();
/// assert_eq!(dress_regularize::centre(model).architecture(), architecture);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn centre<M: CausalLm>(model: M) -> M {
    let mut centring = Centring::default();
    for (axis, slots) in model.coupling().iter() {
        let whole = vec![1.0 / slots.len as f32; slots.len];
        centring.add(&model.coupling(), axis, &whole, |tied| !tied);
    }
    centring.apply(model)
}

/// Keeps the mean of the stream zero by moving the channels that stay, and no other: where the rest is
/// zero, a layer norm over all channels is one over those that stay.
#[derive(Debug)]
pub struct Recentring(Centring);

impl Recentring {
    /// What it takes for a model of which `selection` goes, where any layer norm reads the stream.
    ///
    /// # Errors
    /// Those of [`Selection::check`].
    pub fn new<M: CausalLm>(model: &M, selection: &Selection) -> Result<Option<Self>, Error> {
        let map = model.coupling();
        selection.check(&map)?;
        let mut centring = Centring::default();
        for (axis, chosen) in selection.iter() {
            let mut spread = vec![1.0 / chosen.kept_len() as f32; chosen.len()];
            chosen.removed().iter().for_each(|&i| spread[i] = 0.0);
            centring.add(&map, axis, &spread, |_| true);
        }
        Ok((!centring.spreads.is_empty()).then_some(Self(centring)))
    }

    /// The model with the mean taken out of all that writes the stream.
    pub fn apply<M: CausalLm>(&self, model: M) -> M {
        parameters::map(model, &mut self.0.clone())
    }

    /// What that makes of one parameter, on its autodiff graph.
    pub(crate) fn value<const D: usize>(&self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        self.0.value(name, layout, value)
    }
}

/// Takes the mean out of all that writes the stream, off the channels that stay; the model that
/// slicing has to equal under layer norms.
///
/// # Errors
/// Those of [`Selection::check`].
pub fn recentre<M: CausalLm>(model: M, selection: &Selection) -> Result<M, Error> {
    Ok(match Recentring::new(&model, selection)? {
        Some(recentring) => recentring.apply(model),
        None => model,
    })
}

/// Per parameter, the dimension that runs over the axis and how its sum is taken off again.
#[derive(Debug, Clone, Default)]
struct Centring {
    spreads: HashMap<String, (usize, Vec<f32>)>,
}

impl Centring {
    fn add(&mut self, map: &CouplingMap, axis: Axis, spread: &[f32], wanted: impl Fn(bool) -> bool) {
        let slots = map.axis(axis).ok().filter(|axis| axis.normalization == Some(Normalization::Layer));
        for slot in slots.into_iter().flat_map(|axis| &axis.slots) {
            if slot.role == Role::Writes && wanted(slot.tied) {
                self.spreads.insert(slot.parameter.clone(), (slot.dim, spread.to_vec()));
            }
        }
    }

    fn apply<M: CausalLm>(mut self, model: M) -> M {
        parameters::map(model, &mut self)
    }
}

impl ParameterMapper for Centring {
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        self.value(name, layout, value)
    }
}

impl Centring {
    fn value<const D: usize>(&self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        let Some((dim, spread)) = self.spreads.get(name) else { return value };
        let dim = layout.dim(*dim);
        let mut shape = [1; D];
        shape[dim] = spread.len();
        let spread = TensorData::new(spread.clone(), shape);
        let spread: Tensor<D> = Tensor::from_data(spread, (&value.device(), DType::F32));
        let (dtype, wide) = (value.dtype(), value.cast(DType::F32));
        (wide.clone() - wide.sum_dim(dim) * spread).cast(dtype)
    }
}
