//! The dimensions of a model that can be sliced.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// One dimension of one model that can be sliced.
///
/// Written `residual`, `ffn.3`, `heads.3` and `depth`.
///
/// # Examples
/// ```
/// use dress_core::{Axis, AxisKind};
///
/// let axis: Axis = "ffn.3".parse()?;
/// assert_eq!(axis, Axis::Ffn { layer: 3 });
/// assert_eq!((axis.kind(), axis.layer()), (AxisKind::Ffn, Some(3)));
/// assert_eq!(Axis::Residual.to_string(), "residual");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Axis {
    /// The channels of the residual stream, which every layer reads and writes.
    Residual,
    /// The intermediate neurons of one layer's feed-forward network.
    Ffn {
        /// Index of the layer.
        layer: usize,
    },
    /// The attention heads of one layer; under GQA, its KV groups with their query heads. They go as wholes
    /// (identity [E6]).
    ///
    /// [E6]: crate::identities#e6
    Heads {
        /// Index of the layer.
        layer: usize,
    },
    /// Whole layers.
    Depth,
}

/// What an [`Axis`] is, without the layer it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AxisKind {
    /// The channels of the residual stream.
    Residual,
    /// Intermediate neurons of the feed-forward networks.
    Ffn,
    /// Attention heads, or KV groups with their query heads.
    Heads,
    /// Whole layers.
    Depth,
}

impl Axis {
    /// The kind of this axis.
    pub fn kind(self) -> AxisKind {
        match self {
            Axis::Residual => AxisKind::Residual,
            Axis::Ffn { .. } => AxisKind::Ffn,
            Axis::Heads { .. } => AxisKind::Heads,
            Axis::Depth => AxisKind::Depth,
        }
    }

    /// The layer this axis belongs to, where it belongs to one.
    pub fn layer(self) -> Option<usize> {
        match self {
            Axis::Ffn { layer } | Axis::Heads { layer } => Some(layer),
            Axis::Residual | Axis::Depth => None,
        }
    }
}

impl AxisKind {
    /// The names of all kinds, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 4] = ["residual", "ffn", "heads", "depth"];

    /// Names that other software has, each with the one that is meant; they are read and never written.
    pub const ALIASES: [(&'static str, &'static str); 6] = [
        ("width", "residual"),
        ("hidden", "residual"),
        ("mlp", "ffn"),
        ("neurons", "ffn"),
        ("attention", "heads"),
        ("layers", "depth"),
    ];
}

impl fmt::Display for AxisKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AxisKind::Residual => "residual",
            AxisKind::Ffn => "ffn",
            AxisKind::Heads => "heads",
            AxisKind::Depth => "depth",
        })
    }
}

impl FromStr for AxisKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let alias = AxisKind::ALIASES.into_iter().find(|(other, _)| *other == text);
        match alias.map_or(text, |(_, name)| name) {
            "residual" => Ok(AxisKind::Residual),
            "ffn" => Ok(AxisKind::Ffn),
            "heads" => Ok(AxisKind::Heads),
            "depth" => Ok(AxisKind::Depth),
            _ => Err(Error::AxisKindName { name: text.into() }),
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layer() {
            Some(layer) => write!(f, "{}.{layer}", self.kind()),
            None => write!(f, "{}", self.kind()),
        }
    }
}

impl FromStr for Axis {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::AxisName { name: text.into() };
        let (kind, layer) = match text.split_once('.') {
            Some((kind, layer)) => (kind, Some(layer.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        match (kind.parse().map_err(|_: Error| unknown())?, layer) {
            (AxisKind::Residual, None) => Ok(Axis::Residual),
            (AxisKind::Ffn, Some(layer)) => Ok(Axis::Ffn { layer }),
            (AxisKind::Heads, Some(layer)) => Ok(Axis::Heads { layer }),
            (AxisKind::Depth, None) => Ok(Axis::Depth),
            _ => Err(unknown()),
        }
    }
}

impl Serialize for Axis {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Axis {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_reads_back_what_it_writes() {
        for axis in [Axis::Residual, Axis::Ffn { layer: 3 }, Axis::Heads { layer: 12 }, Axis::Depth] {
            assert_eq!(axis.to_string().parse::<Axis>().unwrap(), axis);
        }
    }

    #[test]
    fn a_layer_where_none_belongs_is_an_error() {
        for name in ["residual.1", "ffn", "heads", "depth.0", "ffn.x", "breadth"] {
            assert!(name.parse::<Axis>().is_err(), "{name}");
        }
    }

    #[test]
    fn the_names_of_other_software_are_read() {
        for (other, name) in AxisKind::ALIASES {
            assert_eq!(other.parse::<AxisKind>().unwrap().to_string(), name);
        }
        assert_eq!("mlp.3".parse::<Axis>().unwrap(), Axis::Ffn { layer: 3 });
    }
}
