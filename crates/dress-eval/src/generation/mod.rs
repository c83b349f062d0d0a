//! What a model goes on with behind a text: prompts, their batches, greedy decoding, and what ends it.

mod greedy;
mod prompts;
mod stop_conditions;

pub use greedy::generate_until;
pub use stop_conditions::StopConditions;
