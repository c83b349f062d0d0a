//! The options of `dress inspect`.

use super::CommonArgs;
use super::inspect::inspect;
use super::served_by_args::ServedByArgs;
use crate::{Error, locate};
use clap::Args;
use std::path::PathBuf;

/// Options of `dress inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    model: PathBuf,
    #[command(flatten)]
    served_by: ServedByArgs,
    #[command(flatten)]
    common: CommonArgs,
}

impl InspectArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        inspect(&locate(&self.model)?, &self.served_by.formats()?, &self.common.context()?)
    }
}
