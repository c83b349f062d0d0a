//! In which direction two distributions are compared.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The Kullback-Leibler divergence of a teacher's distribution `p` and a model's `q`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Divergence {
    /// `KL(p || q)`: the model has to expect whatever the teacher does (Hinton et al. 2015, arXiv
    /// 1503.02531).
    #[default]
    Forward,
    /// `KL(q || p)`: the model must not expect what the teacher does not (MiniLLM, arXiv 2306.08543).
    Reverse,
}

impl Divergence {
    /// The names of both, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 2] = ["forward", "reverse"];

    /// Whether it is the usual one.
    pub fn is_forward(&self) -> bool {
        *self == Divergence::Forward
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Divergence::Forward => "forward",
            Divergence::Reverse => "reverse",
        })
    }
}

impl FromStr for Divergence {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "forward" => Ok(Divergence::Forward),
            "reverse" => Ok(Divergence::Reverse),
            _ => Err(Error::DivergenceName { name: text.into() }),
        }
    }
}
