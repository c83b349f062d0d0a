//! A ratio as it is written: by itself, or of an axis that it names.

use dress_core::Ratio;
use dress_prune::{Error, RatioOf};
use std::str::FromStr;

/// `0.25`, or `ffn.0-3=0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WrittenRatio {
    /// Of an axis that is named elsewhere.
    Plain(Ratio),
    /// Of an axis, and maybe of some layers alone.
    Named(RatioOf),
}

impl WrittenRatio {
    /// The ratio, where it names no axis.
    pub(super) fn plain(self) -> Option<Ratio> {
        if let Self::Plain(ratio) = self { Some(ratio) } else { None }
    }

    /// The ratio with its axis, where it names one.
    pub(super) fn named(self) -> Option<RatioOf> {
        if let Self::Named(ratio) = self { Some(ratio) } else { None }
    }
}

impl FromStr for WrittenRatio {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.contains('=') {
            true => Ok(Self::Named(text.parse()?)),
            false => Ok(Self::Plain(text.parse()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_by_itself_or_of_an_axis() {
        let read = |text: &str| text.parse::<WrittenRatio>();
        assert_eq!(read("0.25").unwrap().plain().map(Ratio::get), Some(0.25));
        assert_eq!(read("ffn.2=0.5").unwrap().named().map(|of| of.to_string()).as_deref(), Some("ffn.2=0.5"));
        assert!(read("1.5").unwrap_err().to_string().contains("expected 0 <= ratio < 1"));
    }
}
