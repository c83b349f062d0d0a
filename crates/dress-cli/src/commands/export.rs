//! `dress export`.

use crate::{Error, Output, PlaceLock, check_own_file_place, check_place, shown_progress};
use dress_models::gguf::{GgufExportConfig, GgufType, export_gguf};
use dress_models::{Checkpoint, export_mlx_nas};
use serde_json::json;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What `dress export` does.
#[derive(Debug)]
pub(super) struct Export {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The file or directory to write.
    pub out: PathBuf,
    /// What is written there.
    pub format: ExportFormat,
    /// Whether one that is there is replaced.
    pub force: bool,
    /// How the result is reported.
    pub output: Output,
}

/// What a checkpoint is written as.
#[derive(Debug, Clone, Copy)]
pub(super) enum ExportFormat {
    /// A file for llama.cpp, its matrices of this type, where one is asked for.
    Gguf(Option<GgufType>),
    /// A directory for mlx-lm.
    MlxNas,
}

impl Export {
    /// Exports; `began` is when the command did.
    pub fn run(self, began: Instant) -> Result<(), Error> {
        match self.format {
            ExportFormat::Gguf(tensor_type) => self.write_gguf(tensor_type, began),
            ExportFormat::MlxNas => self.write_mlx_nas(began),
        }
    }

    fn write_gguf(&self, tensor_type: Option<GgufType>, began: Instant) -> Result<(), Error> {
        if self.out.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("gguf")) {
            return Err(Error::NotGguf { path: self.out.clone() });
        }
        check_own_file_place(&self.out, self.force, "GGUF file", is_gguf)?;
        let _lock = PlaceLock::take(&self.out)?;
        let config = GgufExportConfig { tensor_type, force: self.force };
        let made = export_gguf(&self.checkpoint, &self.out, &config, &shown_progress())?;
        let out = self.out.display();
        let report = json!({
            "out": out.to_string(),
            "architecture": made.architecture,
            "type": made.tensor_type.to_string(),
            "tensors": made.tensors,
            "bytes": made.bytes,
            "left_f16": made.left_f16,
            "seconds": began.elapsed().as_secs_f64(),
        });
        self.output.print(&report, || {
            format!(
                "{} tensors in {}, {:.1} MB as llama.cpp's {}, written to {out}",
                made.tensors,
                made.tensor_type,
                made.bytes as f64 / 1e6,
                made.architecture
            )
        })
    }

    fn write_mlx_nas(&self, began: Instant) -> Result<(), Error> {
        check_place(&self.out)?;
        let _lock = PlaceLock::take(&self.out)?;
        let made = export_mlx_nas(&self.checkpoint, &self.out, self.force, &shown_progress())?;
        let out = self.out.display();
        let report = json!({
            "out": out.to_string(),
            "architecture": "nemotron-nas",
            "bytes": made.bytes,
            "seconds": began.elapsed().as_secs_f64(),
        });
        self.output.print(&report, || {
            format!("{:.1} MB as mlx-lm's nemotron-nas, written to {out}", made.bytes as f64 / 1e6)
        })
    }
}

/// Whether a file begins as a GGUF file does.
fn is_gguf(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && &magic == b"GGUF"
}
