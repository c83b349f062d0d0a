//! The options of `dress export`.

use super::export::{Export, ExportFormat};
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
    /// A directory for mlx-lm, in which the layers of a LLaMA may differ.
    MlxNas,
}

/// Options of `dress export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    model: PathBuf,
    /// The file to write, or with the format mlx-nas the directory.
    #[arg(long)]
    out: PathBuf,
    /// What is written.
    #[arg(long, value_enum, default_value_t = Format::Gguf)]
    format: Format,
    /// How the matrices of a GGUF file are written; by default as the checkpoint has most of them.
    #[arg(long = "type", value_parser = listed::<GgufType>(GgufType::NAMES))]
    tensor_type: Option<GgufType>,
    /// Replace what is there: a GGUF file, or a checkpoint's directory.
    #[arg(long)]
    force: bool,
    /// Print one JSON object on standard output; everything else goes to standard error.
    #[arg(long)]
    json: bool,
}

impl ExportArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let began = Instant::now();
        let format = self.format()?;
        let checkpoint = Checkpoint::at(locate(&self.model)?)?;
        let output = Output::new(self.json);
        Export { checkpoint, out: self.out, format, force: self.force, output }.run(began)
    }

    fn format(&self) -> Result<ExportFormat, Error> {
        match (self.format, self.tensor_type) {
            (Format::Gguf, tensor_type) => Ok(ExportFormat::Gguf(tensor_type)),
            (Format::MlxNas, None) => Ok(ExportFormat::MlxNas),
            (Format::MlxNas, Some(tensor_type)) => Err(Error::OptionUnused {
                option: format!("--type {tensor_type}"),
                why: "with --format mlx-nas, which keeps the checkpoint's types".into(),
                remedy: "leave it out, and quantize the result with mlx-lm",
            }),
        }
    }
}
