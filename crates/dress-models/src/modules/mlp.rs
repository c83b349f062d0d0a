//! The feed-forward network of OPT and Phi.

use super::linear::linear;
use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::{gelu, gelu_approximate, relu, silu};
use burn::tensor::{Device, Tensor};
use dress_core::{Forward, Site};

/// An activation function, by its name in `config.json`. All of them are zero at zero, so that a
/// neuron whose weights are zero contributes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `relu`: `max(0, x)`.
    Relu,
    /// `gelu`: `x * Phi(x)`, exactly (arXiv 1606.08415).
    Gelu,
    /// `gelu_new`, `gelu_fast`, `gelu_pytorch_tanh`: the same approximated by a hyperbolic tangent.
    GeluTanh,
    /// `silu` or `swish`: `x * sigmoid(x)`.
    Silu,
}

impl Activation {
    /// The function of a name in `config.json`, where it is built.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "relu" => Some(Activation::Relu),
            "gelu" => Some(Activation::Gelu),
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Some(Activation::GeluTanh),
            "silu" | "swish" => Some(Activation::Silu),
            _ => None,
        }
    }

    /// The function of every number.
    pub fn forward(self, input: Tensor<3>) -> Tensor<3> {
        match self {
            Activation::Relu => relu(input),
            Activation::Gelu => gelu(input),
            Activation::GeluTanh => gelu_approximate(input),
            Activation::Silu => silu(input),
        }
    }
}

/// `fc2(activation(fc1(x)))`.
#[derive(Module, Debug)]
pub struct Mlp {
    /// From the stream to the neurons.
    pub fc1: Linear,
    /// From the neurons back to the stream.
    pub fc2: Linear,
    #[module(skip)]
    activation: Activation,
}

impl Mlp {
    /// A network with biases, its weights allocated when first used.
    pub fn new(
        hidden_size: usize,
        intermediate_size: usize,
        activation: Activation,
        initializer: &Initializer,
        device: &Device,
    ) -> Self {
        let linear = |input, output| {
            LinearConfig::new(input, output).with_initializer(initializer.clone()).init(device)
        };
        let (fc1, fc2) = (linear(hidden_size, intermediate_size), linear(intermediate_size, hidden_size));
        Self { fc1, fc2, activation }
    }

    /// What the network adds to the stream.
    ///
    /// # Shapes
    /// - `input`: `[batch, seq, hidden_size]`, returned likewise
    pub fn forward(&self, input: Tensor<3>, layer: usize, pass: &mut Forward<'_>) -> Tensor<3> {
        feed_forward([&self.fc1, &self.fc2], self.activation, input, layer, pass)
    }
}

/// [`Mlp::forward`] of two projections that a family keeps elsewhere.
///
/// # Shapes
/// - `input`: `[batch, seq, hidden_size]`, returned likewise
pub fn feed_forward(
    [first, second]: [&Linear; 2],
    activation: Activation,
    input: Tensor<3>,
    layer: usize,
    pass: &mut Forward<'_>,
) -> Tensor<3> {
    linear(second, pass.pass(Site::Ffn { layer }, activation.forward(linear(first, input))))
}
