//! How large a model is, and what a token costs.

use dress_core::parameters::{self, ParameterInfo};
use dress_core::{Axis, AxisKind, CausalLm, Role};
use serde::{Deserialize, Serialize};

/// Widths that hardware multiplies at full speed are multiples of this.
const TILE: usize = 16;

/// How large a model is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// Parameters, a tied head counted once.
    pub parameters: u64,
    /// Bytes of the parameters in memory.
    pub bytes: u64,
    /// Multiplications of a token with weights: every matrix but those that are only looked up in, a tied
    /// head included.
    pub macs_per_token: u64,
    /// Multiplications of a token with keys and values, for each token of its context.
    pub attention_macs_per_context_token: u64,
    /// Layers.
    #[serde(alias = "blocks")]
    pub layers: usize,
    /// Structures of each kind of axis, the first layer's: the width, neurons, key/value heads.
    pub axes: Vec<(AxisKind, usize)>,
    /// The least and the most of them that a layer has, of the kinds of which layers have other numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<(AxisKind, [usize; 2])>,
    /// Widths of matrices that are no multiple of 16, which hardware pads.
    pub unaligned: Vec<Unaligned>,
}

/// A matrix's width that is no multiple of the hardware's tile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unaligned {
    /// The kind of axis.
    pub axis: AxisKind,
    /// The width.
    pub width: usize,
}

impl Size {
    /// The size of a model, counted from its parameters and its coupling map.
    ///
    /// # Examples
    /// ```
    /// # use dress_core::burn::tensor::Device;
    /// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
    /// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
    /// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
    /// use dress_eval::Size;
    ///
    /// let size = Size::of(&model);
    /// assert_eq!(size.bytes, 4 * size.parameters);
    /// assert_eq!(size.layers, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of<M: CausalLm>(model: &M) -> Self {
        let list = parameters::list(model);
        let map = model.coupling();
        let kinds = map.kinds();
        let mut axes = Vec::new();
        let mut unaligned = Vec::new();
        for kind in kinds {
            let Some(slots) = map
                .of_kind(kind)
                .ok()
                .and_then(|axes| axes.first().copied())
                .and_then(|axis| map.axis(axis).ok())
            else {
                continue;
            };
            axes.push((kind, slots.len));
            let block =
                slots.slots.iter().filter(|slot| slot.role == Role::Reads).map(|slot| slot.block).max();
            let width = slots.len * block.unwrap_or(1);
            if kind != AxisKind::Depth && width % TILE != 0 {
                unaligned.push(Unaligned { axis: kind, width });
            }
        }
        let range = |&(kind, _): &(AxisKind, usize)| {
            let axes = map.of_kind(kind).unwrap_or_default();
            let lens: Vec<usize> =
                axes.into_iter().filter_map(|axis| Some(map.axis(axis).ok()?.len)).collect();
            let (least, most) = (*lens.iter().min()?, *lens.iter().max()?);
            (least < most).then_some((kind, [least, most]))
        };
        Self {
            ranges: axes.iter().filter_map(range).collect(),
            parameters: parameters::count(model),
            bytes: list.iter().map(|p| p.elements() * p.dtype.size() as u64).sum(),
            macs_per_token: map.multiplied(&list).into_iter().map(ParameterInfo::elements).sum(),
            attention_macs_per_context_token: attention_macs(model),
            layers: model.num_layers(),
            axes,
            unaligned,
        }
    }

    /// Multiplications of one token with `context` tokens before it and itself.
    pub fn macs_at(&self, context: usize) -> u64 {
        self.macs_per_token + self.attention_macs_per_context_token * (context as u64 + 1)
    }
}

/// Scores and the weighted sum, both once a channel of every query head: what the projection behind the heads
/// reads.
fn attention_macs<M: CausalLm>(model: &M) -> u64 {
    let map = model.coupling();
    let width = |layer: usize| {
        let axis = map.axis(Axis::Heads { layer }).ok()?;
        let reads = axis.slots.iter().find(|slot| slot.role == Role::Reads)?;
        Some((axis.len * reads.block) as u64)
    };
    (0..model.num_layers()).filter_map(width).map(|width| 2 * width).sum()
}
