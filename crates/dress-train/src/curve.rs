//! What a run leaves behind of each step.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// One optimizer step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// The step, from 0.
    pub step: usize,
    /// Tokens seen so far, this step's included.
    pub tokens: u64,
    /// Mean next-token loss of the step's batches, in nats.
    pub loss: f64,
    /// The weighted penalty that was added to it.
    pub penalty: f64,
    /// The L2 norm of everything selected, after the step.
    pub selected_norm: f64,
    /// The norm of all gradients together, before clipping.
    pub gradient_norm: f64,
    /// The step's learning rate.
    pub learning_rate: f64,
    /// Seconds since the run began.
    pub seconds: f64,
}

/// `curve.jsonl`, one point a line, on disk as soon as the step is done.
pub(crate) struct CurveFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl CurveFile {
    pub fn create(directory: &Path) -> Result<Self, Error> {
        let path = directory.join("curve.jsonl");
        let io = |source| Error::Io { path: path.clone(), source };
        fs::create_dir_all(directory).map_err(io)?;
        let file = BufWriter::new(File::create(&path).map_err(io)?);
        Ok(Self { path, file })
    }

    pub fn push(&mut self, point: &CurvePoint) -> Result<(), Error> {
        let line = serde_json::to_string(point).expect("a point is numbers");
        let written = writeln!(self.file, "{line}").and_then(|()| self.file.flush());
        written.map_err(|source| Error::Io { path: self.path.clone(), source })
    }
}
