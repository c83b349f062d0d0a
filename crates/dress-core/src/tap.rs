//! Listening to activations during a forward pass.

use crate::Axis;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// A named place in the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Site {
    /// The residual stream as the embeddings leave it. `[batch, seq, hidden_size]`
    Embedding,
    /// The residual stream after one layer. `[batch, seq, hidden_size]`
    Residual {
        /// Index of the layer.
        layer: usize,
    },
    /// The normalized stream that enters the attention. `[batch, seq, hidden_size]`
    AttentionInput {
        /// Index of the layer.
        layer: usize,
    },
    /// What enters the attention's output projection. `[batch, seq, heads * head_dim]`
    Heads {
        /// Index of the layer.
        layer: usize,
    },
    /// The normalized stream that enters the feed-forward network. `[batch, seq, hidden_size]`
    FfnInput {
        /// Index of the layer.
        layer: usize,
    },
    /// What enters the feed-forward network's down projection. `[batch, seq, intermediate_size]`
    Ffn {
        /// Index of the layer.
        layer: usize,
    },
    /// The normalized stream that enters the head. `[batch, seq, hidden_size]`
    HeadInput,
}

impl Site {
    /// The axis whose structures the last dimension of this site runs over.
    pub fn axis(self) -> Axis {
        match self {
            Site::Heads { layer } => Axis::Heads { layer },
            Site::Ffn { layer } => Axis::Ffn { layer },
            _ => Axis::Residual,
        }
    }

    /// Whether this is the residual stream itself, before any norm.
    pub fn is_stream(self) -> bool {
        matches!(self, Site::Embedding | Site::Residual { .. })
    }
}

/// Sees, and may replace, the activations that pass each [`Site`].
///
/// A listener returns `value` as it came; a mask or a gate returns another tensor of the same
/// shape, and the forward pass goes on with that one. It is given to a pass by
/// [`Forward::new`](crate::Forward::new). A scorer that listens is an example of
/// [`Scorer`](crate::Scorer).
///
/// # Examples
/// ```
/// use dress_core::burn::tensor::{Device, Tensor};
/// use dress_core::{Site, Tap};
///
/// /// Takes away what the neurons of one layer say.
/// struct Without(usize);
///
/// impl Tap for Without {
///     fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
///         if site == (Site::Ffn { layer: self.0 }) { value * 0.0 } else { value }
///     }
/// }
///
/// let left = |layer| Without(1).pass(Site::Ffn { layer }, Tensor::ones([1, 1, 4], &Device::flex()));
/// assert_eq!(left(0).sum().into_scalar::<f32>(), 4.0);
/// assert_eq!(left(1).sum().into_scalar::<f32>(), 0.0);
/// ```
pub trait Tap {
    /// Called once a site with `value` of shape `[batch, seq, width]`.
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3>;

    /// Called once a layer with the residual stream before and after it, `[batch, seq, hidden_size]`.
    fn after_layer(&mut self, layer: usize, before: &Tensor<3>, after: &Tensor<3>) {
        let _ = (layer, before, after);
    }
}

/// The tap that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTap;

impl Tap for NoTap {
    fn pass(&mut self, _site: Site, value: Tensor<3>) -> Tensor<3> {
        value
    }
}
