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
    #[arg(value_name = "MODEL", required_unless_present = "model", conflicts_with = "model")]
    checkpoint: Option<PathBuf>,
    /// The same by name.
    #[arg(long)]
    model: Option<PathBuf>,
    #[command(flatten)]
    served_by: ServedByArgs,
    #[command(flatten)]
    common: CommonArgs,
}

impl InspectArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        // One of the two is there, as clap sees to.
        let model = self.checkpoint.or(self.model).unwrap_or_default();
        inspect(&locate(&model)?, &self.served_by.formats()?, &self.common.context()?)
    }
}
