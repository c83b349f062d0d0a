//! Keys and values of the tokens already seen.

use burn::tensor::{Int, Tensor, TensorData};

/// The keys and values of every layer, in buffers that are written in place.
#[derive(Debug, Clone)]
pub struct KvCache {
    layers: Vec<Option<[Tensor<4>; 2]>>,
    capacity: usize,
    len: usize,
}

impl KvCache {
    /// An empty cache for `num_layers` layers and at most `capacity` tokens.
    pub fn new(num_layers: usize, capacity: usize) -> Self {
        Self { layers: vec![None; num_layers], capacity, len: 0 }
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

    /// A cache with the rows of this one that `rows` names, in that order and as often, and room for
    /// `capacity` tokens: one context that goes on in several ways.
    ///
    /// # Panics
    /// Where `capacity` is less than this cache holds.
    #[must_use]
    pub fn select_rows(&self, rows: &[usize], capacity: usize) -> Self {
        assert!(capacity >= self.len, "{} tokens do not fit a KV cache of {capacity}", self.len);
        let indices: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let grown = |states: &Tensor<4>| {
            let [batch, heads, _, head_dim] = states.dims();
            let device = states.device();
            let indices =
                Tensor::<1, Int>::from_data(TensorData::new(indices.clone(), [rows.len()]), &device);
            let seen =
                states.clone().slice([0..batch, 0..heads, 0..self.len, 0..head_dim]).select(0, indices);
            let empty = Tensor::zeros([rows.len(), heads, capacity, head_dim], (&device, states.dtype()));
            empty.slice_assign([0..rows.len(), 0..heads, 0..self.len, 0..head_dim], seen)
        };
        let layer =
            |layer: &Option<[Tensor<4>; 2]>| layer.as_ref().map(|states| states.each_ref().map(grown));
        Self { layers: self.layers.iter().map(layer).collect(), capacity, len: self.len }
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

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    /// Keys of two rows, one head and two dimensions that count on from `first`.
    fn states(first: usize, seq: usize) -> Tensor<4> {
        let numbers = (0..2).flat_map(|row| (first..first + seq).map(move |at| (100 * row + at) as f32));
        let numbers: Vec<f32> = numbers.flat_map(|number| [number, -number]).collect();
        Tensor::from_data(TensorData::new(numbers, [2, 1, seq, 2]), &Device::flex())
    }

    fn filled() -> KvCache {
        let mut cache = KvCache::new(1, 5);
        cache.append(0, states(0, 3), states(0, 3) * 2.0);
        cache.advance(3);
        cache
    }

    #[test]
    fn what_is_appended_comes_back_behind_what_was_there() {
        let mut cache = filled();
        let [keys, values] = cache.append(0, states(3, 2), states(3, 2) * 2.0);
        keys.into_data().assert_eq(&states(0, 5).into_data(), true);
        values.into_data().assert_eq(&(states(0, 5) * 2.0).into_data(), true);
        cache.advance(2);
        assert_eq!((cache.len(), cache.capacity(), cache.is_empty()), (5, 5, false));
    }

    #[test]
    fn selected_rows_go_on_each_for_itself() {
        let mut cache = filled().select_rows(&[1, 1, 0], 4);
        assert_eq!((cache.len(), cache.capacity()), (3, 4));
        let next = Tensor::zeros([3, 1, 1, 2], &Device::flex());
        let [keys, _] = cache.append(0, next.clone(), next);
        let numbers: Vec<f32> = keys.slice([0..3, 0..1, 0..4, 0..1]).into_data().iter().collect();
        assert_eq!(numbers, [100.0, 101.0, 102.0, 0.0, 100.0, 101.0, 102.0, 0.0, 0.0, 1.0, 2.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "KV cache of 5 tokens is full")]
    fn more_than_fits_panics() {
        filled().append(0, states(3, 3), states(3, 3));
    }
}
