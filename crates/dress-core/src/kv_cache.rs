//! Keys and values of the tokens already seen.

use burn::tensor::Tensor;

/// The keys and values of every block, in buffers that are written in place.
#[derive(Debug, Clone)]
pub struct KvCache {
    layers: Vec<Option<[Tensor<4>; 2]>>,
    capacity: usize,
    len: usize,
}

impl KvCache {
    /// An empty cache for `num_blocks` blocks and at most `capacity` tokens.
    pub fn new(num_blocks: usize, capacity: usize) -> Self {
        Self { layers: vec![None; num_blocks], capacity, len: 0 }
    }

    /// How many tokens it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds no token yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many tokens it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn append(&mut self, layer: usize, key: Tensor<4>, value: Tensor<4>) -> [Tensor<4>; 2] {
        let [batch, heads, seq, head_dim] = key.dims();
        let end = self.len + seq;
        assert!(end <= self.capacity, "KV cache of {} tokens is full", self.capacity);
        let [keys, values] = self.layers[layer].take().unwrap_or_else(|| {
            let shape = [batch, heads, self.capacity, head_dim];
            let empty = |like: &Tensor<4>| Tensor::zeros(shape, (&like.device(), like.dtype()));
            [empty(&key), empty(&value)]
        });
        let range = [0..batch, 0..heads, self.len..end, 0..head_dim];
        let keys = keys.slice_assign(range.clone(), key);
        let values = values.slice_assign(range, value);
        let seen = [0..batch, 0..heads, 0..end, 0..head_dim];
        let views = [keys.clone().slice(seen.clone()), values.clone().slice(seen)];
        self.layers[layer] = Some([keys, values]);
        views
    }

    pub(crate) fn advance(&mut self, seq: usize) {
        self.len += seq;
    }
}
