//! The options of `dress join`.

use super::CommonArgs;
use super::join::Join;
use crate::{Error, locate};
use clap::Args;
use dress_models::Checkpoint;
use std::path::PathBuf;
use std::time::Instant;

/// Options of `dress join`.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// What `dress prune --layers` wrote: together all layers, each once.
    #[arg(required = true, value_name = "PART")]
    parts: Vec<PathBuf>,
    /// The checkpoint that the parts were made from: a directory, a GGUF file, or `owner/name` on the Hugging
    /// Face hub.
    #[arg(long)]
    model: PathBuf,
    /// Where the smaller checkpoint goes.
    #[arg(long)]
    out: PathBuf,
    /// Replace the checkpoint at --out.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: CommonArgs,
}

impl JoinArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let began = Instant::now();
        let checkpoint = Checkpoint::at(locate(&self.model)?)?;
        let output = self.common.context()?.output;
        let Self { parts, model, out, force, .. } = self;
        Join { model, checkpoint, parts, out, force, served_by: Vec::new(), output }.run(began)
    }
}
