//! Causal self-attention with grouped key/value heads and rotary positions.

use super::linear::{linear, linears};
use super::rms_norm::RmsNorm;
use super::rotary::{Rotary, rotate};
use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, DType, Device, Tensor};
use dress_core::{Forward, Site};

/// Shapes of an [`Attention`].
#[derive(Debug, Clone)]
pub struct AttentionConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of query heads.
    pub num_attention_heads: usize,
    /// Number of key/value heads; query heads share them in order.
    pub num_key_value_heads: usize,
    /// Width of one head, independent of `hidden_size`.
    pub head_dim: usize,
    /// Whether the query, key and value projections have biases.
    pub bias: bool,
    /// Whether the output projection has one.
    pub output_bias: bool,
    /// The norms of queries and keys, where there are any.
    pub head_norms: Option<HeadNormConfig>,
    /// How many keys a query sees, its own included, where it does not see all before it.
    pub window: Option<usize>,
    /// What scores are multiplied by, where that is not one by the root of the heads' width.
    pub scale: Option<f64>,
    /// The bound of the scores, where they have one.
    pub soft_cap: Option<f64>,
    /// How queries and keys are rotated, if they are.
    pub rotary: Option<Rotary>,
    /// How weights start that are not loaded.
    pub initializer: Initializer,
}

/// Shapes of the norms of queries and keys.
#[derive(Debug, Clone, Copy)]
pub struct HeadNormConfig {
    /// How many dimensions of the queries, and of the keys, are normalized at a time.
    pub widths: [usize; 2],
    /// What is added to the mean square.
    pub epsilon: f64,
    /// Whether they multiply by one more than their gains.
    pub plus_one: bool,
}

/// Grouped-query attention (arXiv 2305.13245). The number of heads follows from the weights, so
/// that sliced projections need no further change.
#[derive(Module, Debug)]
pub struct Attention {
    /// From the stream to the queries.
    pub q_proj: Linear,
    /// From the stream to the keys.
    pub k_proj: Linear,
    /// From the stream to the values.
    pub v_proj: Linear,
    /// From the heads back to the stream.
    pub o_proj: Linear,
    /// The norm of the queries, of each head's or of all heads'.
    pub q_norm: Option<RmsNorm>,
    /// The norm of the keys, of each head's or of all heads'.
    pub k_norm: Option<RmsNorm>,
    #[module(skip)]
    head_dim: usize,
    #[module(skip)]
    window: Option<usize>,
    #[module(skip)]
    scale: Option<f64>,
    #[module(skip)]
    soft_cap: Option<f64>,
    #[module(skip)]
    rotary: Option<Rotary>,
}

impl AttentionConfig {
    /// The attention, its weights allocated when first used.
    pub fn init(&self, device: &Device) -> Attention {
        let linear = |input, output, bias| {
            let config = LinearConfig::new(input, output).with_bias(bias);
            config.with_initializer(self.initializer.clone()).init(device)
        };
        let queries = self.num_attention_heads * self.head_dim;
        let keys = self.num_key_value_heads * self.head_dim;
        let norm = |HeadNormConfig { widths, epsilon, plus_one }: HeadNormConfig| {
            let norm = |width| RmsNorm::new(width, epsilon, device);
            widths.map(|width| Some(if plus_one { norm(width).plus_one() } else { norm(width) }))
        };
        let [q_norm, k_norm] = self.head_norms.map_or([None, None], norm);
        Attention {
            q_proj: linear(self.hidden_size, queries, self.bias),
            k_proj: linear(self.hidden_size, keys, self.bias),
            v_proj: linear(self.hidden_size, keys, self.bias),
            o_proj: linear(queries, self.hidden_size, self.output_bias),
            q_norm,
            k_norm,
            head_dim: self.head_dim,
            window: self.window,
            scale: self.scale,
            soft_cap: self.soft_cap,
            rotary: self.rotary.clone(),
        }
    }
}

impl Attention {
    /// What the attention adds to the stream.
    ///
    /// # Shapes
    /// - `input`: `[batch, seq, hidden_size]`, returned likewise
    pub fn forward(&self, input: Tensor<3>, layer: usize, pass: &mut Forward<'_>) -> Tensor<3> {
        let heads = Heads {
            head_dim: self.head_dim,
            norms: [self.q_norm.as_ref(), self.k_norm.as_ref()],
            window: self.window,
            scale: self.scale,
            soft_cap: self.soft_cap,
            rotary: self.rotary.as_ref(),
        };
        let states = linears([&self.q_proj, &self.k_proj, &self.v_proj], input);
        linear(&self.o_proj, heads.mix(states, layer, pass))
    }

    /// Sets what the norms of the heads, where there are any, add to the mean square.
    pub fn set_epsilon(&mut self, epsilon: f64) {
        [&mut self.q_norm, &mut self.k_norm].into_iter().flatten().for_each(|norm| norm.set_epsilon(epsilon));
    }
}

/// What the heads of one attention make of queries, keys and values, whatever projections those are from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heads<'a> {
    /// Width of one head.
    pub head_dim: usize,
    /// A norm of the queries and one of the keys, which normalizes as many dimensions at a time as it has
    /// gains.
    pub norms: [Option<&'a RmsNorm>; 2],
    /// How many keys a query sees, its own included, where it does not see all before it.
    pub window: Option<usize>,
    /// What scores are multiplied by, where that is not one by the root of the heads' width.
    pub scale: Option<f64>,
    /// The bound of the scores, `cap * tanh(score / cap)`, where they have one.
    pub soft_cap: Option<f64>,
    /// The rotation of queries and keys; without it, positions are in the stream.
    pub rotary: Option<&'a Rotary>,
}

impl Heads<'_> {
    /// What enters the output projection, after [`Site::Heads`].
    ///
    /// # Shapes
    /// - queries: `[batch, seq, heads * head_dim]`, returned likewise
    /// - keys, values: `[batch, seq, kv_heads * head_dim]`
    pub fn mix(
        &self,
        [query, key, value]: [Tensor<3>; 3],
        layer: usize,
        pass: &mut Forward<'_>,
    ) -> Tensor<3> {
        let [batch, seq, _] = query.dims();
        let [of_queries, of_keys] = self.norms;
        let (query, key) = (self.heads(query, of_queries), self.heads(key, of_keys));
        let (query, [key, value]) = self.placed(query, [key, self.heads(value, None)], layer, pass);
        let query = match self.scale {
            // What mixes the values divides by the root.
            Some(scale) => query * (scale * (self.head_dim as f64).sqrt()),
            None => query,
        };
        let seen = Seen { window: self.window, soft_cap: self.soft_cap };
        let mixed = causal_attention(query, key, value, seen);
        let width = mixed.dims()[1] * self.head_dim;
        let mixed = mixed.swap_dims(1, 2).reshape([batch, seq, width]);
        pass.pass(Site::Heads { layer }, mixed)
    }

    /// Queries by their positions, and the keys and values of all positions so far.
    fn placed(
        &self,
        query: Tensor<4>,
        [key, value]: [Tensor<4>; 2],
        layer: usize,
        pass: &mut Forward<'_>,
    ) -> (Tensor<4>, [Tensor<4>; 2]) {
        let Some(rotary) = self.rotary else { return (query, pass.cached(layer, key, value)) };
        let (offset, seq, device) = (pass.offset(), query.dims()[2], query.device());
        let tables = pass.rotary(rotary.kind(), || rotary.tables(offset, seq, &device));
        let key = rotate(key, tables.clone());
        (rotate(query, tables), pass.cached(layer, key, value))
    }

    /// `[batch, seq, heads * head_dim]`, normalized where there is a norm, as `[batch, heads, seq,
    /// head_dim]`.
    fn heads(&self, states: Tensor<3>, norm: Option<&RmsNorm>) -> Tensor<4> {
        let [batch, seq, width] = states.dims();
        let states = match norm {
            Some(norm) => {
                let at_a_time = norm.width();
                norm.forward(states.reshape([batch, seq * width / at_a_time, at_a_time]))
            }
            None => states,
        };
        states.reshape([batch, seq, width / self.head_dim, self.head_dim]).swap_dims(1, 2)
    }
}

/// What of the keys before it a query sees, and how.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// How many keys, its own included, where that is not all.
    window: Option<usize>,
    /// The bound of the scores, where they have one.
    soft_cap: Option<f64>,
}

/// Every query attends to the keys up to its own position, to the last ones of them where there is a window;
/// the last query is at the last key.
///
/// # Shapes
/// - `query`: `[batch, heads, seq, head_dim]`, returned likewise
/// - `key`, `value`: `[batch, kv_heads, keys, head_dim]` with `keys >= seq`
fn causal_attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, seen: Seen) -> Tensor<4> {
    let window = seen.window.filter(|&window| window < key.dims()[2]);
    if window.is_some() || seen.soft_cap.is_some() {
        return windowed_attention(query, key, value, Seen { window, ..seen });
    }
    let fused = dress_kernels::causal_attention(&query, &key, &value);
    fused.unwrap_or_else(|| attention_by_parts(query, key, value))
}

/// [`causal_attention`] a few queries at a time, each chunk with the keys that are in the window of one of
/// its queries.
fn windowed_attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, seen: Seen) -> Tensor<4> {
    let (seq, keys) = (query.dims()[2], key.dims()[2]);
    let window = seen.window.unwrap_or(keys);
    let chunk = |start: usize| {
        let len = CHUNK.min(seq - start);
        let end = keys - seq + start + len;
        let first = (end - len + 1).saturating_sub(window);
        let part = |states: &Tensor<4>| states.clone().narrow(2, first, end - first);
        let (query, key, value) = (query.clone().narrow(2, start, len), part(&key), part(&value));
        // Where all that is left is in the window of the last query, it is in that of all.
        match end - first <= window && seen.soft_cap.is_none() {
            true => causal_attention(query, key, value, Seen::default()),
            false => grouped_attention(query, key, value, seen),
        }
    };
    Tensor::cat((0..seq).step_by(CHUNK).map(chunk).collect(), 2)
}

/// [`causal_attention`] in Burn's own operations.
fn attention_by_parts(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
    let (seq, keys) = (query.dims()[2], key.dims()[2]);
    if query.is_autodiff() || seq == 1 {
        chunked_attention(query, key, value)
    } else {
        let groups = query.dims()[1] / key.dims()[1];
        let options = AttentionModuleOptions { is_causal: seq == keys, ..Default::default() };
        let mask = (seq != keys).then(|| causal_mask(seq, keys, None, &query.device()).unsqueeze());
        attention(query, repeat_heads(key, groups), repeat_heads(value, groups), mask, None, options)
    }
}

/// Queries whose scores are in memory at the same time.
const CHUNK: usize = 256;

/// [`grouped_attention`] over a few queries at a time, each chunk with the keys that it can see: about
/// half the work for a long text, in pieces that stay in the cache.
fn chunked_attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
    let (seq, keys) = (query.dims()[2], key.dims()[2]);
    if seq <= CHUNK {
        return grouped_attention(query, key, value, Seen::default());
    }
    let chunk = |start: usize| {
        let len = CHUNK.min(seq - start);
        let visible = keys - seq + start + len;
        let (key, value) = (key.clone().narrow(2, 0, visible), value.clone().narrow(2, 0, visible));
        grouped_attention(query.clone().narrow(2, start, len), key, value, Seen::default())
    };
    Tensor::cat((0..seq).step_by(CHUNK).map(chunk).collect(), 2)
}

/// Attention spelled out, the query heads of a group side by side, so that keys and values are
/// never repeated. Scores and softmax are in f32.
fn grouped_attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, seen: Seen) -> Tensor<4> {
    let [batch, heads, seq, head_dim] = query.dims();
    let [_, kv_heads, keys, _] = key.dims();
    let groups = heads / kv_heads;
    let dtype = query.dtype();
    let query = (query * (head_dim as f64).powf(-0.5)).reshape([batch, kv_heads, groups * seq, head_dim]);
    let mut scores = query.matmul(key.swap_dims(2, 3)).cast(DType::F32);
    if let Some(cap) = seen.soft_cap {
        scores = (scores / cap).tanh() * cap;
    }
    if seq > 1 {
        let mask = causal_mask(seq, keys, seen.window, &scores.device()).repeat_dim(0, groups);
        scores = scores.mask_fill(mask.unsqueeze(), f32::NEG_INFINITY);
    }
    softmax(scores, 3).cast(dtype).matmul(value).reshape([batch, heads, seq, head_dim])
}

/// True where query `i` of `seq` must not see key `j` of `keys`. `[seq, keys]`
fn causal_mask(seq: usize, keys: usize, window: Option<usize>, device: &Device) -> Tensor<2, Bool> {
    let own = (keys - seq) as i64;
    let later = Tensor::<2, Bool>::tril_mask([seq, keys], own, device);
    match window {
        Some(window) => {
            later.bool_or(Tensor::<2, Bool>::triu_mask([seq, keys], own + 1 - window as i64, device))
        }
        None => later,
    }
}

/// Each key/value head repeated for the query heads that share it.
fn repeat_heads(states: Tensor<4>, groups: usize) -> Tensor<4> {
    if groups == 1 {
        return states;
    }
    let [batch, kv_heads, keys, head_dim] = states.dims();
    let repeated = states.unsqueeze_dim::<5>(2).repeat_dim(2, groups);
    repeated.reshape([batch, kv_heads * groups, keys, head_dim])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn the_fused_the_chunked_and_the_grouped_attention_agree() {
        let device = Device::flex();
        let random = |heads, seq| Tensor::<4>::random([2, heads, seq, 8], Distribution::Default, &device);
        for (seq, keys) in [(5, 5), (3, 7), (600, 600), (300, 513)] {
            let (query, key, value) = (random(6, seq), random(2, keys), random(2, keys));
            let fused = causal_attention(query.clone(), key.clone(), value.clone(), Seen::default());
            let chunked = chunked_attention(query.clone(), key.clone(), value.clone());
            let grouped = grouped_attention(query, key, value, Seen::default());
            chunked.into_data().assert_approx_eq::<f32>(&grouped.to_data(), Tolerance::absolute(1e-5));
            fused.into_data().assert_approx_eq::<f32>(&grouped.into_data(), Tolerance::absolute(1e-5));
        }
    }

    #[test]
    fn a_query_sees_the_keys_of_its_window_and_no_other() {
        let device = Device::flex();
        let random = |heads, seq| Tensor::<4>::random([1, heads, seq, 4], Distribution::Default, &device);
        let windows =
            [(7, 7, 3), (1, 9, 4), (4, 9, 2), (600, 640, 300), (5, 5, 5), (3, 8, 1), (4, 4, usize::MAX)];
        for ((seq, keys, window), soft_cap) in
            windows.into_iter().flat_map(|of| [(of, None), (of, Some(0.5))])
        {
            let seen = Seen { window: Some(window), soft_cap };
            let (query, key, value) = (random(4, seq), random(2, keys), random(2, keys));
            let found = causal_attention(query.clone(), key.clone(), value.clone(), seen);
            for row in [0, seq / 2, seq - 1] {
                let end: usize = keys - seq + row + 1;
                let first = end.saturating_sub(window);
                let part = |states: &Tensor<4>| states.clone().narrow(2, first, end - first);
                let query = query.clone().narrow(2, row, 1);
                let alone = grouped_attention(query, part(&key), part(&value), Seen { window: None, ..seen });
                let found = found.clone().narrow(2, row, 1).into_data();
                found.assert_approx_eq::<f32>(&alone.into_data(), Tolerance::absolute(1e-5));
            }
        }
    }
}
