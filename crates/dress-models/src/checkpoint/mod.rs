//! Checkpoints in and out: Hugging Face directories, and GGUF files in.

mod companions;
mod declared_weights;
mod directory;
mod fingerprint;
mod float_type;
mod fused_tensors;
mod git_lfs;
mod load;
mod misnamed;
mod model_card;
mod output_error;
mod own_head;
mod positional;
mod pytorch_files;
mod raw_tensor;
mod redundant_tensors;
mod rewrite;
mod rewrite_rotated;
mod rewritten;
mod safetensors_reader;
mod said_once;
mod same_tensor;
mod save;
mod save_by_parts;
mod shard_file;
mod shard_index;
mod staging;
mod tensor_names;
mod tensor_rows;
mod tensor_stream;
mod tokenizer_config;
mod turn_stream;
mod weight_sets;
mod weights;

pub use crate::any_model::read_config;
#[cfg(feature = "hub")]
pub(crate) use directory::{COMPANIONS, is_document};
pub use fingerprint::fingerprint;
pub use float_type::{FloatType, FloatTypeName};
pub use load::{LoadConfig, PartialLoad, declare, load, load_model, read_config_of};
#[cfg(feature = "tokenizer")]
pub(crate) use model_card::hub_id;
pub use output_error::OutputError;
pub use pytorch_files::PytorchFiles;
pub use raw_tensor::RawTensor;
pub use rewrite::rewrite;
pub(crate) use rewrite::rewrite_as;
pub use rewrite_rotated::rewrite_rotated;
pub use rewritten::RewriteConfig;
pub use safetensors_reader::SafetensorsDirectory;
pub(crate) use said_once::warn_once;
pub use save::{SaveConfig, SaveReport, save};
pub use save_by_parts::SaveByParts;
pub use shard_index::ShardIndex;
pub use staging::{Staging, check_output};
#[cfg(feature = "tokenizer")]
pub(crate) use tensor_names::match_names;
pub use weights::Weights;
pub(crate) use weights::is_gguf;
