//! What the benchmarks share: models of real shapes with random weights, and the machine's ceilings that they
//! run beside.

mod beside;
mod ceiling;
mod shapes;

pub use beside::Beside;
pub use ceiling::Ceiling;
pub use shapes::{Shape, forward_macs, llama3_8b, narrower, resized, scattered, tokens, without};
