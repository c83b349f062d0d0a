//! The options that say which engines serve a result.

use crate::Error;
use clap::Args;
use dress_engines::{EngineFormat, EngineTable};
use std::path::PathBuf;

/// The engines that serve a result.
#[derive(Debug, Clone, Default, Args)]
pub struct ServedByArgs {
    /// The engines that serve the result, each with a format, several with commas:
    /// llama.cpp:q4_k_m,vllm,mlx:4bit. Sizes are those that all of them take in full, and --bytes is of bytes
    /// as they serve them. docs/reference/engines.md lists them.
    #[arg(id = "for", long = "for", value_name = "ENGINES", value_delimiter = ',')]
    names: Vec<String>,
    /// Files that describe engines of your own, several with commas.
    #[arg(long, value_name = "FILE", value_delimiter = ',', requires = "for")]
    engines: Vec<PathBuf>,
}

impl ServedByArgs {
    /// The formats that are asked for.
    ///
    /// # Errors
    /// Those of [`EngineTable::with_file`] and [`EngineTable::formats`].
    pub(super) fn formats(&self) -> Result<Vec<EngineFormat>, Error> {
        let built_in = Ok(EngineTable::built_in());
        let table = self.engines.iter().fold(built_in, |table, file| table?.with_file(file));
        Ok(table.and_then(|table| table.formats(&self.names))?)
    }

    /// The files of engines.
    pub(super) fn files(&self) -> &[PathBuf] {
        &self.engines
    }
}
