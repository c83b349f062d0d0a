//! What turning the residual stream does to each parameter.

use burn::tensor::Tensor;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One orthogonal matrix and what it makes of every parameter on the residual stream (identity [E4]), in the
/// layout of the files, so that it can be done to a file.
///
/// [E4]: crate::identities#e4
#[derive(Debug, Clone)]
pub struct Rotation {
    /// `[width, width]`, in f32; column `j` says how much of each old channel is in the new channel `j`.
    pub basis: Tensor<2>,
    /// By the name of a parameter of the turned model; parameters that are not here stay as they are.
    pub turns: BTreeMap<String, Turn>,
}

/// How one parameter of the turned model comes about.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// It holds these numbers, whatever it held before, as the gains of a norm that moved to what reads it.
    Set(Vec<f32>),
    /// Its channels are turned.
    Channels(TurnedChannels),
}

/// A parameter whose channels are turned.
///
/// In this order: the mean over the channels is taken off, each channel is multiplied, and the channels are
/// multiplied by the basis.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnedChannels {
    /// The parameter it is made from where that is another, as the embedding for a head that was tied to it.
    pub from: Option<String>,
    /// The dimension of the channels.
    pub dim: usize,
    /// Whether the mean over the channels is taken off (identity [E3]).
    ///
    /// [E3]: crate::identities#e3
    pub centred: bool,
    /// What each channel is multiplied by, the gains of the norm before it; many parameters share them.
    pub factors: Option<Arc<[f32]>>,
}
