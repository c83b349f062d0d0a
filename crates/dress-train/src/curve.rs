//! What a run leaves behind of each step.

use crate::Error;
use crate::run_directory::CURVE;
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

/// The loss at both ends of a run. One batch says little of it, as the next has another text: it is the mean
/// over the first and the last eighth of the steps, of at least four where there are eight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossEnds {
    /// The mean at the start.
    pub first: f64,
    /// The mean at the end.
    pub last: f64,
    /// Over how many steps each.
    pub steps: usize,
}

impl LossEnds {
    /// Of a curve; absent where it has no point.
    pub fn of(curve: &[CurvePoint]) -> Option<Self> {
        let steps = (curve.len() / 8).max(4).min(curve.len().div_ceil(2));
        let mean = |points: &[CurvePoint]| points.iter().map(|p| p.loss).sum::<f64>() / points.len() as f64;
        (steps > 0).then(|| Self {
            first: mean(&curve[..steps]),
            last: mean(&curve[curve.len() - steps..]),
            steps,
        })
    }
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
        let path = directory.join(CURVE);
        let io = |cause| Error::Io { path: path.clone(), cause };
        fs::create_dir_all(directory).map_err(io)?;
        let file = BufWriter::new(File::create(&path).map_err(io)?);
        let mut file = Self { path, file };
        curve.iter().try_for_each(|point| file.push(point))?;
        Ok(file)
    }

    /// The points in a directory.
    pub fn read(directory: &Path) -> Result<Vec<CurvePoint>, Error> {
        let path = directory.join(CURVE);
        let text = fs::read_to_string(&path).map_err(|cause| Error::Io { path: path.clone(), cause })?;
        let points = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        points.map_err(|error| Error::Checkpoint { path, reason: error.to_string() })
    }

    pub fn push(&mut self, point: &CurvePoint) -> Result<(), Error> {
        let line = serde_json::to_string(point).expect("a point is numbers");
        let written = writeln!(self.file, "{line}").and_then(|()| self.file.flush());
        written.map_err(|cause| Error::Io { path: self.path.clone(), cause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(losses: impl IntoIterator<Item = f64>) -> Vec<CurvePoint> {
        let text = r#"{"step":0,"tokens":0,"loss":0,"penalty":0,"selected_norm":0,"gradient_norm":0,"learning_rate":0,"seconds":0}"#;
        let point: CurvePoint = serde_json::from_str(text).unwrap();
        losses.into_iter().map(|loss| CurvePoint { loss, ..point }).collect()
    }

    #[test]
    fn the_ends_of_a_run_are_means_over_an_eighth_of_it() {
        let ends = |losses: Vec<f64>| LossEnds::of(&curve(losses));
        assert_eq!(ends(Vec::new()), None);
        assert_eq!(ends(vec![2.0]), Some(LossEnds { first: 2.0, last: 2.0, steps: 1 }));
        let eight = ends((0..8).map(f64::from).collect()).unwrap();
        assert_eq!((eight.first, eight.last, eight.steps), (1.5, 5.5, 4));
        let long = ends((0..80).map(f64::from).collect()).unwrap();
        assert_eq!((long.first, long.last, long.steps), (4.5, 74.5, 10));
    }
}
