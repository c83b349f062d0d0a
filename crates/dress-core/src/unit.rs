//! What is counted while long work goes on.

use std::fmt;

/// What one step of a [`Stage`](crate::Stage) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Steps of an optimizer.
    Steps,
    /// Blocks of tokens.
    Blocks,
    /// Decoder layers, with the embedding and the head where a model is read by parts.
    Layers,
    /// Questions of a task.
    Questions,
    /// Axes along which something goes.
    Axes,
    /// Rounds of a measurement.
    Rounds,
    /// Bytes read.
    Bytes,
    /// Texts written.
    Texts,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Steps => "steps",
            Self::Blocks => "blocks",
            Self::Layers => "layers",
            Self::Questions => "questions",
            Self::Axes => "axes",
            Self::Rounds => "rounds",
            Self::Bytes => "bytes",
            Self::Texts => "texts",
        })
    }
}
