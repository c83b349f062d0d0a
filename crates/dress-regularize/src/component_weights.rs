//! How much each part of the model counts in a penalty.

use dress_core::Component;
use serde::{Deserialize, Serialize};

/// The weights of `L = L_LM + attention * L_att + ffn * L_ffn + rest * L_rest`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ComponentWeights {
    /// Query, key, value and output projections.
    pub attention: f64,
    /// The feed-forward networks.
    pub ffn: f64,
    /// Embeddings, norms and the head.
    pub rest: f64,
}

impl ComponentWeights {
    /// The weight of one part.
    pub fn of(&self, component: Component) -> f64 {
        match component {
            Component::Attention => self.attention,
            Component::Ffn => self.ffn,
            Component::Rest => self.rest,
        }
    }
}

impl Default for ComponentWeights {
    fn default() -> Self {
        Self { attention: 1.0, ffn: 1.0, rest: 1.0 }
    }
}
