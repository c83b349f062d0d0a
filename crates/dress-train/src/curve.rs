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
    /// How far the model is from its teacher, weighted, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distillation: Option<f64>,
    /// How far the gate is open, 1 where there is none.
    #[serde(default = "open")]
    pub gate: f64,
    /// Mean next-token loss of the blocks that are held out, after the step, where there was a look at them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<f64>,
    /// The norm of all gradients together, before clipping.
    pub gradient_norm: f64,
    /// The step's learning rate.
    pub learning_rate: f64,
    /// Seconds since the run began.
    pub seconds: f64,
}

fn open() -> f64 {
    1.0
}

/// `curve.jsonl`, one point a line, on disk as soon as the step is done.
pub(crate) struct CurveFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl CurveFile {
    /// The file of a run, which begins with `curve`.
    pub fn create(directory: &Path, curve: &[CurvePoint]) -> Result<Self, Error> {
        let path = directory.join("curve.jsonl");
        let io = |source| Error::Io { path: path.clone(), source };
        fs::create_dir_all(directory).map_err(io)?;
        let file = BufWriter::new(File::create(&path).map_err(io)?);
        let mut file = Self { path, file };
        curve.iter().try_for_each(|point| file.push(point))?;
        Ok(file)
    }

    /// The points in a directory.
    pub fn read(directory: &Path) -> Result<Vec<CurvePoint>, Error> {
        let path = directory.join("curve.jsonl");
        let text = fs::read_to_string(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        let points = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        points.map_err(|error| Error::Checkpoint { path, reason: error.to_string() })
    }

    pub fn push(&mut self, point: &CurvePoint) -> Result<(), Error> {
        let line = serde_json::to_string(point).expect("a point is numbers");
        let written = writeln!(self.file, "{line}").and_then(|()| self.file.flush());
        written.map_err(|source| Error::Io { path: self.path.clone(), source })
    }
}
