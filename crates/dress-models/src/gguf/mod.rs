//! GGUF files, the format of llama.cpp: read, dequantized, and turned into what a Hugging Face
//! directory holds; and such directories written as GGUF files.
//!
//! The reader is our own since none of the published ones bounds what it allocates by the file: here a
//! header is walked in place, over the memory map, and a length that the file cannot hold is an error.

mod checkpoint;
mod config;
mod config_keys;
mod cursor;
#[cfg(any(test, feature = "tokenizer"))]
mod entry;
#[cfg(feature = "tokenizer")]
mod export;
mod facts;
mod family;
mod gemma;
mod header;
mod layer_norms;
mod metadata_types;
mod metadata_value;
mod parts;
mod pre_tokenizer;
mod quantization;
mod rope;
mod row_order;
mod tensor_info;
mod tensor_part;
mod tensor_places;
mod tokenizer;
mod tokenizer_config;
#[cfg(test)]
mod written;

pub use checkpoint::GgufCheckpoint;
#[cfg(feature = "tokenizer")]
pub use export::{GgufExport, GgufExportConfig, GgufType, GgufTypeName, export_gguf};
pub use header::{GgufHeader, GgufHeaderError};
pub use metadata_value::{MetadataArray, MetadataValue};
pub use quantization::TensorType;
pub use tensor_info::TensorInfo;
