//! `costs.json`: what a forward pass of a checkpoint costs on some machine.

use crate::{Error, read_text};
use clap::ValueEnum;
use dress_eval::report::RunInfo;
use dress_eval::{SpeedConfig, Spread};
use dress_models::published_name;
use dress_prune::{Latency, Load};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The format of [`CostsFile`] that is written, and the only one that is read.
pub const COSTS_FORMAT: u32 = 1;

/// Which forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Pass {
    /// One more token behind a prompt, with its KV cache.
    #[default]
    Decode,
    /// A whole text at once.
    Prefill,
}

/// One shape, and how long it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimedShape {
    /// What is gone of the dense shape; nothing of the first.
    pub gone: Vec<String>,
    /// How much it has of what costs time.
    pub load: Load,
    /// Milliseconds of a token with the KV cache.
    pub decode_ms: Spread,
    /// Milliseconds of the prefill.
    pub prefill_ms: Spread,
}

/// What was measured, and the costs that follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostsFile {
    /// [`COSTS_FORMAT`].
    pub format: u32,
    /// The checkpoint, as files say it that may be published.
    pub model: PathBuf,
    /// When, where and with what.
    pub run: RunInfo,
    /// The settings.
    pub config: SpeedConfig,
    /// The shapes, the dense one first.
    pub shapes: Vec<TimedShape>,
    /// Of one more token.
    pub decode: Latency,
    /// Of the prefill.
    pub prefill: Latency,
}

impl CostsFile {
    /// The costs that follow from `shapes`, the dense one first.
    ///
    /// # Errors
    /// Those of [`Latency::fit`].
    pub fn new(
        model: &Path,
        run: RunInfo,
        config: SpeedConfig,
        shapes: Vec<TimedShape>,
    ) -> Result<Self, Error> {
        let fit = |milliseconds: fn(&TimedShape) -> f64| {
            let measured: Vec<_> =
                shapes.iter().map(|shape| (shape.load, milliseconds(shape) / 1000.0)).collect();
            Latency::fit(&measured)
        };
        let decode = fit(|shape| shape.decode_ms.median)?;
        let prefill = fit(|shape| shape.prefill_ms.median)?;
        let model = published_name(model).into();
        Ok(Self { format: COSTS_FORMAT, model, run, config, shapes, decode, prefill })
    }

    /// Reads what [`CostsFile::to_json`] wrote, for a checkpoint whose dense shape has `load`.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Costs`] for what is no such file, and for one of another shape.
    pub fn read(path: &Path, load: Load) -> Result<Self, Error> {
        let refused = |reason: String| Error::Costs { path: path.into(), reason };
        let text = read_text(path, "a file that dress costs wrote")?;
        let file: Self = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
        if file.format != COSTS_FORMAT {
            return Err(refused(format!(
                "its format is {}, and this version reads {COSTS_FORMAT}",
                file.format
            )));
        }
        if file.shapes.first().is_none_or(|dense| dense.load != load) {
            return Err(refused(format!("measured on {}, which has another shape", file.model.display())));
        }
        Ok(file)
    }

    /// Whether there is such a file at `path`.
    pub fn is_at(path: &Path) -> bool {
        dress_core::files::read(path).is_ok_and(|text| serde_json::from_slice::<Self>(&text).is_ok())
    }

    /// The costs of one pass.
    pub fn of(&self, pass: Pass) -> Latency {
        match pass {
            Pass::Decode => self.decode,
            Pass::Prefill => self.prefill,
        }
    }

    /// By which share the costs are off at the shape they are worst at.
    pub fn worst(&self, pass: Pass) -> f64 {
        let off = |shape: &TimedShape| {
            let measured = match pass {
                Pass::Decode => shape.decode_ms.median,
                Pass::Prefill => shape.prefill_ms.median,
            };
            (1000.0 * self.of(pass).seconds(shape.load) / measured - 1.0).abs()
        };
        self.shapes.iter().map(off).fold(0.0, f64::max)
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and texts can be written")
    }
}
