//! What travels along with one forward pass.

use crate::{KvCache, Site, Tap};
use burn::tensor::Tensor;

/// The state of one forward pass: who listens, what is cached, and where in the text it is.
pub struct Forward<'a> {
    tap: &'a mut dyn Tap,
    cache: Option<&'a mut KvCache>,
    rotary: Vec<Option<[Tensor<2>; 2]>>,
}

impl<'a> Forward<'a> {
    /// A pass over whole sequences that start at position 0.
    pub fn new(tap: &'a mut dyn Tap) -> Self {
        Self { tap, cache: None, rotary: Vec::new() }
    }

    /// A pass that continues what `cache` holds, which needs room for the tokens of this pass too.
    #[must_use]
    pub fn with_cache(mut self, cache: &'a mut KvCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Shows `value` to the tap and takes what it returns.
    pub fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        self.tap.pass(site, value)
    }

    /// Shows the stream before and after a layer to the tap.
    pub fn after_layer(&mut self, layer: usize, before: &Tensor<3>, after: &Tensor<3>) {
        self.tap.after_layer(layer, before, after);
    }

    /// The position of the first token of this pass.
    pub fn offset(&self) -> usize {
        self.cache.as_ref().map_or(0, |cache| cache.len())
    }

    /// The keys and values of all positions so far, this pass's included. `[batch, kv_heads, seq, head_dim]`
    ///
    /// # Panics
    /// Where the cache has no room for this pass, or was made for fewer layers.
    pub fn cached(&mut self, layer: usize, key: Tensor<4>, value: Tensor<4>) -> [Tensor<4>; 2] {
        match &mut self.cache {
            Some(cache) => cache.append(layer, key, value),
            None => [key, value],
        }
    }

    /// The rotary cosines and sines of this pass, computed by the first layer that asks. Layers that turn
    /// alike give the same `kind`, a small number. `[seq, dims]`
    pub fn rotary(&mut self, kind: usize, compute: impl FnOnce() -> [Tensor<2>; 2]) -> [Tensor<2>; 2] {
        if self.rotary.len() <= kind {
            self.rotary.resize(kind + 1, None);
        }
        self.rotary[kind].get_or_insert_with(compute).clone()
    }

    /// Moves the cache, if any, past the `seq` tokens of this pass.
    pub(crate) fn advance(&mut self, seq: usize) {
        if let Some(cache) = &mut self.cache {
            cache.advance(seq);
        }
    }
}
