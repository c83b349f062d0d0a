//! Checkpoints in and out: Hugging Face directories, and GGUF files in.

mod byte_progress;
mod directory;
mod fingerprint;
mod float_type;
mod git_lfs;
mod load;
mod misnamed;
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
mod shard_file;
mod shard_index;
mod staging;
mod tensor_names;
mod tensor_rows;
mod tensor_stream;
mod turn_stream;
mod weight_sets;
mod weights;

#[cfg(feature = "hub")]
pub(crate) use directory::COMPANIONS;
pub use fingerprint::fingerprint;
pub use float_type::FloatType;
pub use load::{LoadConfig, PartialLoad, load, read_config};
pub use pytorch_files::PytorchFiles;
pub use raw_tensor::RawTensor;
pub use rewrite::rewrite;
pub use rewrite_rotated::rewrite_rotated;
pub use rewritten::RewriteConfig;
pub use safetensors_reader::SafetensorsDirectory;
pub(crate) use said_once::warn_once;
pub use save::{SaveConfig, SaveReport, save};
pub use shard_index::ShardIndex;
pub use staging::{Staging, check_output};
pub use weights::Weights;
pub(crate) use weights::is_gguf;
