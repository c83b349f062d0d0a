//! A scorer by name.

use crate::{ActivationNorm, Error, Magnitude, Norm, Random, Taylor, Wanda};
use dress_core::{CausalLm, Scorer};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One of the scorers here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// [`Magnitude`] by the L1 norm.
    MagnitudeL1,
    /// [`Magnitude`] by the L2 norm.
    MagnitudeL2,
    /// [`ActivationNorm`].
    ActivationNorm,
    /// [`Wanda`].
    Wanda,
    /// [`Taylor`].
    Taylor,
    /// [`Random`].
    Random,
}

impl Criterion {
    /// All of them.
    pub const ALL: [Criterion; 6] = [
        Criterion::MagnitudeL1,
        Criterion::MagnitudeL2,
        Criterion::ActivationNorm,
        Criterion::Wanda,
        Criterion::Taylor,
        Criterion::Random,
    ];

    /// The scorer; `seed` is for those that draw.
    pub fn scorer<M: CausalLm>(self, seed: u64) -> Box<dyn Scorer<M>> {
        match self {
            Criterion::MagnitudeL1 => Box::new(Magnitude { norm: Norm::L1 }),
            Criterion::MagnitudeL2 => Box::new(Magnitude { norm: Norm::L2 }),
            Criterion::ActivationNorm => Box::new(ActivationNorm),
            Criterion::Wanda => Box::new(Wanda),
            Criterion::Taylor => Box::new(Taylor),
            Criterion::Random => Box::new(Random { seed }),
        }
    }

    /// The name that the command line, plans and results use.
    pub fn name(self) -> &'static str {
        match self {
            Criterion::MagnitudeL1 => "magnitude-l1",
            Criterion::MagnitudeL2 => "magnitude-l2",
            Criterion::ActivationNorm => "activation-norm",
            Criterion::Wanda => "wanda",
            Criterion::Taylor => "taylor",
            Criterion::Random => "random",
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Criterion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|criterion| criterion.name() == text);
        found.ok_or_else(|| Error::CriterionName { name: text.into(), known: known() })
    }
}
