//! What crosses a module: parity with `transformers`, files in and out, bad input, generation.

mod altered;
mod bad_input;
mod generation;
mod gguf_export;
mod gguf_tokenizers;
mod leftovers;
mod misnamed;
mod mlx_nas;
mod other_formats;
mod own_head;
mod parity;
mod reference;
mod round_trip;
