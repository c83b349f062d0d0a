//! What crosses a module: parity with `transformers`, files in and out, bad input, generation.

mod bad_input;
mod generation;
mod other_formats;
mod parity;
mod reference;
mod round_trip;
