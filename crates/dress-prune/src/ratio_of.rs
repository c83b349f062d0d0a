//! Ratios of single kinds of axes and layers.

use crate::Error;
use crate::protected::range;
use dress_core::{Axis, AxisKind, Ratio};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How much goes of one kind of axis, in all layers or in some: `ffn=0.3`, `ffn.0-3=0`.
///
/// # Examples
/// ```
/// use dress_core::AxisKind;
/// use dress_prune::RatioOf;
///
/// let some: RatioOf = "ffn.0-3=0".parse()?;
/// assert_eq!((some.kind, some.layers, some.ratio.get()), (AxisKind::Ffn, Some((0, 3)), 0.0));
/// assert_eq!("heads=0.5".parse::<RatioOf>()?.layers, None);
/// # Ok::<(), dress_prune::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatioOf {
    /// The kind of axis.
    pub kind: AxisKind,
    /// The first and the last of the layers; all that nothing else is said of without.
    pub layers: Option<(usize, usize)>,
    /// The share that goes.
    pub ratio: Ratio,
}

/// The ratios of the axes of which something is said by themselves.
pub type LayerRatios = BTreeMap<Axis, Ratio>;

impl RatioOf {
    /// The ratio of every kind that is named, where nothing is said of a layer by itself: what is said of the
    /// kind, or else 0.
    pub fn of_kinds(all: &[Self]) -> BTreeMap<AxisKind, Ratio> {
        let none = Ratio::new(0.0).expect("0 is a ratio");
        let mut ratios = BTreeMap::new();
        for one in all {
            let ratio = ratios.entry(one.kind).or_insert(none);
            if one.layers.is_none() {
                *ratio = one.ratio;
            }
        }
        ratios
    }

    /// The ratios of layers by themselves; of several the last counts.
    pub fn of_layers(all: &[Self]) -> LayerRatios {
        let mut ratios = LayerRatios::new();
        for RatioOf { kind, layers, ratio } in all {
            let Some((first, last)) = layers else { continue };
            for layer in *first..=*last {
                let axis = match kind {
                    AxisKind::Heads => Axis::Heads { layer },
                    _ => Axis::Ffn { layer },
                };
                ratios.insert(axis, *ratio);
            }
        }
        ratios
    }
}

impl FromStr for RatioOf {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = || Error::RatioText { text: text.into() };
        let (of, ratio) = text.split_once('=').ok_or_else(refused)?;
        let ratio = ratio.trim().parse()?;
        let (kind, layers) = match of.trim().split_once('.') {
            Some((kind, layers)) => (kind, Some(range(layers).ok_or_else(refused)?)),
            None => (of.trim(), None),
        };
        let kind: AxisKind = kind.parse().map_err(|_| refused())?;
        let of_no_layer = [AxisKind::Residual, AxisKind::Depth].contains(&kind);
        if layers.is_some() && of_no_layer {
            return Err(refused());
        }
        Ok(Self { kind, layers: layers.map(|layers| (*layers.start(), *layers.end())), ratio })
    }
}

impl fmt::Display for RatioOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layers {
            None => write!(f, "{}={}", self.kind, self.ratio),
            Some((first, last)) if first == last => write!(f, "{}.{first}={}", self.kind, self.ratio),
            Some((first, last)) => write!(f, "{}.{first}-{last}={}", self.kind, self.ratio),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Vec<RatioOf> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_layer_s_own_ratio_stands_above_its_kind_s() {
        let all = read(&["ffn.0-1=0", "ffn=0.3", "heads.1=0.5"]);
        let kinds: Vec<_> =
            RatioOf::of_kinds(&all).into_iter().map(|(kind, ratio)| (kind, ratio.get())).collect();
        assert_eq!(kinds, [(AxisKind::Ffn, 0.3), (AxisKind::Heads, 0.0)]);
        let layers: Vec<_> =
            RatioOf::of_layers(&all).into_iter().map(|(axis, r)| (axis.to_string(), r.get())).collect();
        let expected =
            [("ffn.0", 0.0), ("ffn.1", 0.0), ("heads.1", 0.5)].map(|(axis, ratio)| (axis.to_string(), ratio));
        assert_eq!(layers, expected);
    }

    #[test]
    fn ratios_read_back_and_what_is_none_is_refused() {
        for text in ["ffn=0.3", "ffn.2=0.5", "heads.0-3=0"] {
            assert_eq!(text.parse::<RatioOf>().unwrap().to_string(), text);
        }
        for bad in ["0.3", "ffn.x=0.3", "neck=0.3", "residual.0=0.1", "depth.1=0.5"] {
            let said = bad.parse::<RatioOf>().unwrap_err().to_string();
            assert!(said.contains("ffn.0-3=0"), "{said}");
        }
        assert!("ffn=1.5".parse::<RatioOf>().is_err());
    }
}
