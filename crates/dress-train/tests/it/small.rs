//! A small model, text that is easy to learn, and a look at the weights.

use dress_core::burn::tensor::{Device, Tensor};
use dress_core::parameters::{self, Layout};
use dress_core::{Calibration, CausalLm};
use dress_models::AnyModel;
use dress_train::{LearningRate, TrainConfig};
use std::path::Path;
use std::process::Command;

pub const CONFIG: &str = r#"{"model_type":"llama","vocab_size":19,"hidden_size":16,"intermediate_size":32,
    "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,
    "tie_word_embeddings":true,"initializer_range":0.2}"#;

/// This program with one of its tests and no other, in a process of its own.
pub fn alone(test: &str) -> Command {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args([test, "--exact"]);
    program
}

pub fn model() -> AnyModel {
    AnyModel::from_config(CONFIG, Path::new("config.json"), &Device::flex()).unwrap()
}

/// Texts that count upward by one, two or three: easy to learn.
pub fn data() -> Calibration {
    let block = |n: u32| (0..12).map(|i| (i * (n % 3 + 1) + n) % 19).collect();
    Calibration::from_blocks((0..16).map(block).collect())
}

pub fn config() -> TrainConfig {
    let learning_rate = LearningRate { peak: 1e-2, warmup_steps: 2, ..LearningRate::default() };
    TrainConfig { epochs: 6, batch_size: 4, learning_rate, ..TrainConfig::default() }
}

pub fn weights<M: CausalLm>(model: &M) -> Vec<f32> {
    struct All(Vec<f32>);
    impl parameters::ParameterVisitor for All {
        fn visit<const D: usize>(
            &mut self,
            _name: &str,
            _layout: Layout,
            parameter: &dress_core::burn::module::Param<Tensor<D>>,
        ) {
            self.0.extend(parameter.val().into_data().iter::<f32>());
        }
    }
    let mut all = All(Vec::new());
    parameters::visit(model, &mut all);
    all.0
}

pub fn worst(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
