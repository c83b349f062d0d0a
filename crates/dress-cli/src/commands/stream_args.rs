//! The options of `dress stream`.

use super::by_parts_args::layers;
use super::stream::Stream;
use super::transform_args::TransformArgs;
use crate::Error;
use clap::Args;
use std::ops::Range;
use std::time::Instant;

/// Options of `dress stream`.
#[derive(Debug, Args)]
pub struct StreamArgs {
    #[command(flatten)]
    checkpoint: TransformArgs,
    /// The layers before which streams are kept, as 0..8 for those from 0 to before 8; by default all.
    #[arg(long, value_name = "FROM..TO", value_parser = layers)]
    layers: Option<Range<usize>>,
}

impl StreamArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let began = Instant::now();
        let checkpoint = self.checkpoint.settings()?;
        Stream { checkpoint, layers: self.layers }.run(began)
    }
}
