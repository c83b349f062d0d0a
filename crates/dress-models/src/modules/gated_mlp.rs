//! The feed-forward network of LLaMA.

use super::linear::{linear, linears};
use super::mlp::Activation;
use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use dress_core::{Forward, Site};
use dress_kernels::gated_silu;

/// Shapes of a [`GatedMlp`].
#[derive(Debug, Clone)]
pub struct GatedMlpConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of intermediate neurons.
    pub intermediate_size: usize,
    /// Whether the projections have biases.
    pub bias: bool,
    /// What the gate goes through.
    pub activation: Activation,
    /// How weights start that are not loaded.
    pub initializer: Initializer,
}

/// `down(activation(gate(x)) * up(x))` (SwiGLU and its like, arXiv 2002.05202).
#[derive(Module, Debug)]
pub struct GatedMlp {
    /// From the stream to the gate of each neuron.
    pub gate_proj: Linear,
    /// From the stream to the value of each neuron.
    pub up_proj: Linear,
    /// From the neurons back to the stream.
    pub down_proj: Linear,
    #[module(skip)]
    activation: Activation,
}

impl GatedMlpConfig {
    /// The network, its weights allocated when first used.
    pub fn init(&self, device: &Device) -> GatedMlp {
        let linear = |input, output| {
            let config = LinearConfig::new(input, output).with_bias(self.bias);
            config.with_initializer(self.initializer.clone()).init(device)
        };
        GatedMlp {
            gate_proj: linear(self.hidden_size, self.intermediate_size),
            up_proj: linear(self.hidden_size, self.intermediate_size),
            down_proj: linear(self.intermediate_size, self.hidden_size),
            activation: self.activation,
        }
    }
}

impl GatedMlp {
    /// What the network adds to the stream.
    ///
    /// # Shapes
    /// - `input`: `[batch, seq, hidden_size]`, returned likewise
    pub fn forward(&self, input: Tensor<3>, layer: usize, pass: &mut Forward<'_>) -> Tensor<3> {
        let [gate, up] = linears([&self.gate_proj, &self.up_proj], input);
        let fused = if self.activation == Activation::Silu { gated_silu(&gate, &up) } else { None };
        let gated = fused.unwrap_or_else(|| self.activation.forward(gate) * up);
        linear(&self.down_proj, pass.pass(Site::Ffn { layer }, gated))
    }
}
