//! What a backward pass computes again.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What is computed again in the backward pass instead of being kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GradientCheckpointing {
    /// Nothing.
    #[default]
    None,
    /// Cheap operations, as Burn does it.
    Operations,
    /// Every layer from the stream before it (Chen et al. 2016, arXiv 1604.06174): the activations of one
    /// layer are in memory at a time, for one more forward pass.
    // Files of before say `blocks`.
    #[serde(alias = "blocks")]
    Layers,
}

impl GradientCheckpointing {
    /// The names of all kinds, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 3] = ["none", "operations", "layers"];
}

impl fmt::Display for GradientCheckpointing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GradientCheckpointing::None => "none",
            GradientCheckpointing::Operations => "operations",
            GradientCheckpointing::Layers => "layers",
        })
    }
}

impl FromStr for GradientCheckpointing {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "none" => Ok(GradientCheckpointing::None),
            "operations" => Ok(GradientCheckpointing::Operations),
            // `blocks` is the name that it had first.
            "layers" | "blocks" => Ok(GradientCheckpointing::Layers),
            _ => Err(Error::Name {
                what: "gradient checkpointing",
                name: text.into(),
                known: "none, operations or layers",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_under_the_name_that_they_had_first_too() {
        for name in ["layers", "blocks"] {
            assert_eq!(name.parse::<GradientCheckpointing>().unwrap(), GradientCheckpointing::Layers);
            let read: GradientCheckpointing = serde_json::from_value(name.into()).unwrap();
            assert_eq!(read, GradientCheckpointing::Layers);
        }
        assert_eq!(serde_json::to_value(GradientCheckpointing::Layers).unwrap(), "layers");
    }
}
