//! GGUF files, the format of llama.cpp: read, dequantized, and turned into what a Hugging Face
//! directory holds.
//!
//! The reader is our own since none of the published ones bounds what it allocates by the file: here a
//! header is walked in place, over the memory map, and a length that the file cannot hold is an error.

mod checkpoint;
mod config;
mod header;
mod quantization;
mod tokenizer;

pub use checkpoint::GgufCheckpoint;
pub use header::{GgufHeader, GgufHeaderError, MetadataArray, MetadataValue, TensorInfo};
pub use quantization::TensorType;
