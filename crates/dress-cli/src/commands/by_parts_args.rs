//! The options of a run of which one layer at a time is in memory.

use crate::Error;
use clap::Args;
use std::ops::Range;
use std::path::PathBuf;

/// Options of a run of which one layer at a time is in memory.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "One layer in memory")]
pub struct ByPartsArgs {
    /// With --local, read the checkpoint one layer at a time and keep each layer as it finishes: memory holds
    /// what the training of one layer takes, whatever the number of layers.
    #[arg(long, requires = "local")]
    stream: bool,
    /// With --local, do these layers alone, as 0..8 for those from 0 to before 8: --out becomes a part that
    /// `dress join` puts together with the others. Parts that do not begin with layer 0 need --local-inputs
    /// dense.
    #[arg(long, value_name = "FROM..TO", requires = "local", value_parser = layers)]
    layers: Option<Range<usize>>,
    /// Where `dress stream` kept the dense model's streams, so that they are not computed again; with
    /// --local-inputs dense.
    #[arg(long, value_name = "DIRECTORY", requires = "local_inputs")]
    streams: Option<PathBuf>,
}

/// A run of which one layer at a time is in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ByParts {
    /// The layers that are done, where it is not all of them.
    pub layers: Option<Range<usize>>,
    /// Where streams of the dense model are.
    pub streams: Option<PathBuf>,
}

impl ByPartsArgs {
    /// What they ask for, where they ask for anything.
    pub(super) fn settings(&self) -> Option<ByParts> {
        let asks = self.stream || self.layers.is_some() || self.streams.is_some();
        asks.then(|| ByParts { layers: self.layers.clone(), streams: self.streams.clone() })
    }
}

/// The error for an option that needs the whole model.
pub(super) fn not_by_parts(option: &str, remedy: &'static str) -> Error {
    Error::OptionUnused {
        option: option.into(),
        why: "where one layer at a time is in memory".into(),
        remedy,
    }
}

/// The layers that `FROM..TO` names.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn layers(text: &str) -> Result<Range<usize>, String> {
    let number = |part: &str| part.trim().parse::<usize>().ok();
    let found = text.split_once("..").and_then(|(from, to)| Some(number(from)?..number(to)?));
    match found {
        Some(layers) if !layers.is_empty() => Ok(layers),
        Some(layers) => Err(format!("{}..{} has no layer; give 0..8 for 0 to 7", layers.start, layers.end)),
        None => Err("layers are written FROM..TO, as 0..8 for 0 to 7".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_from_the_first_to_before_the_second() {
        assert_eq!(layers("0..8"), Ok(0..8));
        assert_eq!(layers("16 .. 24"), Ok(16..24));
        for wrong in ["3", "3..3", "5..2", "a..b", "-1..2", "0..=2"] {
            assert!(layers(wrong).unwrap_err().contains("0..8"), "{wrong}");
        }
    }
}
