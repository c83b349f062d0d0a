//! The options of `dress export`.

use super::export::Export;
use super::listed::listed;
use crate::{Error, Output, locate};
use clap::{Args, ValueEnum};
use dress_models::Checkpoint;
use dress_models::gguf::GgufType;
use std::path::PathBuf;
use std::time::Instant;

/// The formats that a checkpoint is exported to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One file for llama.cpp.
    Gguf,
}

/// Options of `dress export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    model: PathBuf,
    /// The file to write.
    #[arg(long)]
    out: PathBuf,
    /// The format of the file.
    #[arg(long, value_enum, default_value_t = Format::Gguf)]
    format: Format,
    /// How the matrices are written; by default as the checkpoint has most of them.
    #[arg(long = "type", value_parser = listed::<GgufType>(GgufType::NAMES))]
    tensor_type: Option<GgufType>,
    /// Replace the file that is there.
    #[arg(long)]
    force: bool,
    /// Print one JSON object on standard output; everything else goes to standard error.
    #[arg(long)]
    json: bool,
}

impl ExportArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let began = Instant::now();
        let Format::Gguf = self.format;
        let checkpoint = Checkpoint::at(locate(&self.model)?)?;
        let (tensor_type, output) = (self.tensor_type, Output::new(self.json));
        Export { checkpoint, out: self.out, tensor_type, force: self.force, output }.run(began)
    }
}
