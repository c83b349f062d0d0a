//! What a model goes on with behind a text: prompts, their batches, decoding, and what ends it.

mod decoding;
mod greedy;
mod own_texts;
mod prompts;
mod stop_conditions;

pub use greedy::generate_until;
pub use own_texts::{OwnTexts, own_texts};
pub use stop_conditions::StopConditions;
