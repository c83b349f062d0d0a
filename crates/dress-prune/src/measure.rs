//! What a budget counts.

use crate::Latency;
use serde::{Deserialize, Serialize};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Parameters, a tied head once.
    Parameters,
    /// Bytes of the weights in the type they are in.
    Bytes,
    /// Multiplications a token makes with weights: every matrix but those that are only looked up in, a tied
    /// head included. What attention multiplies depends on the text's length and is left out.
    Macs,
    /// Seconds of a forward pass, as they were measured on some machine.
    Latency(Latency),
}
