//! Whether an engine loads a shape.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What an engine does with a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// It loads as it is.
    Loads,
    /// It loads once it is written in another form.
    LoadsAs {
        /// The form.
        form: String,
    },
    /// It loads, and computes something else without a word.
    Wrong {
        /// What.
        why: String,
    },
    /// It does not load.
    Refused {
        /// Why not.
        why: String,
    },
    /// Nobody tried.
    Untried,
}

impl Verdict {
    pub(crate) fn refused(why: &str) -> Self {
        Verdict::Refused { why: why.into() }
    }

    /// Whether the model comes out right, as far as is known.
    pub fn is_right(&self) -> bool {
        matches!(self, Verdict::Loads | Verdict::LoadsAs { .. } | Verdict::Untried)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Loads => f.write_str("loads"),
            Verdict::LoadsAs { form } => write!(f, "loads as {form}"),
            Verdict::Wrong { why } => write!(f, "wrong: {why}"),
            Verdict::Refused { why } => write!(f, "refused: {why}"),
            Verdict::Untried => f.write_str("not tried"),
        }
    }
}
