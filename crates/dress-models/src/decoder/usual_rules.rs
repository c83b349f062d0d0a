//! The rules that most families have.

use super::rule_parts::{Activated, Defaults, HeadNorms, NormPlaces, StockWidth};
use super::{Biases, FamilyRules, layer_types};
use crate::modules::Activation;

impl FamilyRules {
    /// What most families have, for those that say what is otherwise.
    pub(super) const USUAL: Self = Self {
        model_type: "",
        class: "",
        architecture: "",
        defaults: Defaults::USUAL,
        own_keys: &[],
        stock_width: StockWidth::Any,
        can_have: Biases::NONE,
        head_norms: HeadNorms::None,
        norms: NormPlaces::Before,
        activated: Activated { key: "hidden_act", by: Activation::Silu, name: "silu" },
        gains_plus_one: false,
        scales_embedding: false,
        local_theta: false,
        partial_rotary: false,
        fused: false,
        read: |_, _| Ok(()),
        write: layer_types::write,
    };
}
