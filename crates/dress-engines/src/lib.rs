//! What inference engines load and what quantizers do with the shape of a checkpoint, as data.
//!
//! An [`Engine`] is a TOML file: which architectures it loads and in which shapes, the types that its formats
//! have for weights, and what becomes of a weight whose rows no block of a type divides. An [`EngineTable`]
//! holds those that ship and those that a user adds, and finds an [`EngineFormat`] by its name, such as
//! `llama.cpp:q4_k_m` or `vllm`. Of a [`ModelShape`] a format says whether it is loaded ([`Verdict`]), what
//! each weight becomes and how many bytes that takes ([`Served`]), and of what a size has to be a multiple to
//! be taken in full ([`Demand`]).
//!
//! No engine is known by its name here, and no family either: a shape is the names and sizes of a model's
//! parameters and its coupling map.
//!
//! ```
//! # use dress_core::burn::tensor::Device;
//! # let config = r#"{"model_type":"llama","vocab_size":64,"hidden_size":96,"intermediate_size":200,"num_hidden_layers":2,
//! #     "num_attention_heads":3,"num_key_value_heads":3,"tie_word_embeddings":true}"#;
//! # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
//! use dress_core::AxisKind;
//! use dress_engines::{Demand, EngineTable, ModelShape, Verdict};
//!
//! let format = EngineTable::built_in().format("llama.cpp:q8_0")?;
//! let shape = ModelShape::of(&model);
//! assert_eq!(format.verdict(&shape), Verdict::Loads);
//! // 200 neurons are no whole blocks of 32, so these weights are left in F16.
//! let left: Vec<_> = format.serve(&shape).unquantized().map(|weight| weight.name.to_string()).collect();
//! assert_eq!(left, ["model.layers.0.mlp.down_proj.weight", "model.layers.1.mlp.down_proj.weight"]);
//! assert_eq!(format.step(&shape, AxisKind::Ffn, Demand::InFull), 32);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod architecture;
mod engine;
mod engine_format;
mod error;
mod format;
mod model_shape;
mod name_pattern;
mod report;
mod served;
mod step;
mod table;
mod verdict;
mod weight_type;

pub use architecture::{Architecture, DifferingLayers, Fault, QueryHeads, WidthRule};
pub use engine::Engine;
pub use engine_format::EngineFormat;
pub use error::Error;
pub use format::{Exception, Format, LayerRange};
pub use model_shape::ModelShape;
pub use name_pattern::NamePattern;
pub use report::{LikeWeights, ServedReport};
pub use served::{Served, ServedWeight};
pub use step::{Demand, least_common_multiple};
pub use table::EngineTable;
pub use verdict::Verdict;
pub use weight_type::{Blocks, WeightType};

// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
