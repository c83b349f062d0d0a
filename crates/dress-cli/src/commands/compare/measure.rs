//! Measuring one cell.

use super::bench::Bench;
use crate::comparison::{COMPARISON_SCHEMA, Cell, CellId, KeptOfKind, peak_memory};
use crate::{Error, TerminalProgress};
use dress_core::{AxisKind, Calibration, CausalLm, CorpusProvenance, parameters};
use dress_data::evaluation_blocks;
use dress_eval::{PerplexityConfig, PerplexityReport, perplexity};
use dress_models::AnyModel;
use dress_prune::{Preset, Pruned};
use std::collections::BTreeMap;
use std::time::Instant;

/// A model, and how it came to be.
struct Made {
    model: AnyModel,
    kept: Vec<KeptOfKind>,
    criterion: String,
    calibration: Option<CorpusProvenance>,
    training_tokens: u64,
    slicing_error: Option<f64>,
    seconds: f64,
}

impl Bench<'_> {
    /// Measures one cell in this process.
    ///
    /// # Errors
    /// Those of loading, pruning and evaluating.
    pub fn measure(&self, id: CellId) -> Result<Cell, Error> {
        let key = self.key(id)?.hash();
        let seen = evaluation_blocks(&self.seen, &self.tokenizer, &self.cut)?;
        let unseen = evaluation_blocks(&self.unseen, &self.tokenizer, &self.cut)?;
        seen.check(&self.declared)?;
        unseen.check(&self.declared)?;
        let model = self.args.common.load(&self.args.model)?;
        let parameters_dense = parameters::count(&model);
        let (preset, ratio, made) = match id {
            CellId::Dense => (None, 0.0, Made::dense(model)),
            CellId::Pruned { preset, ratio } => (Some(preset), ratio, self.prune(model, preset, ratio)?),
        };
        let peak_bytes = peak_memory();
        Ok(Cell {
            schema: COMPARISON_SCHEMA,
            key,
            preset,
            ratio,
            parameters: parameters::count(&made.model),
            parameters_dense,
            seen: evaluate(&made.model, &seen)?,
            unseen: evaluate(&made.model, &unseen)?,
            kept: made.kept,
            criterion: made.criterion,
            calibration: made.calibration,
            training_tokens: made.training_tokens,
            slicing_error: made.slicing_error,
            seconds: made.seconds,
            peak_bytes,
            peak_bytes_with_evaluation: peak_memory(),
            dress_version: env!("CARGO_PKG_VERSION").into(),
            device: self.args.common.device_name(),
            dtype: self.args.common.dtype.to_string(),
        })
    }

    fn prune(&self, model: AnyModel, preset: Preset, ratio: f64) -> Result<Made, Error> {
        let calibration = match preset.needs_calibration() {
            true => self.samples(preset).blocks(&self.args.model, self.args.common.seed)?,
            false => Calibration::default(),
        };
        let axes = axes_of_each_kind(&model);
        let settings = self.settings(preset, ratio)?;
        let began = Instant::now();
        let Pruned { model, plan, report } =
            preset.of(&model, &settings)?.prune(model, &calibration, &TerminalProgress::default())?;
        let seconds = began.elapsed().as_secs_f64();
        self.run_directory(CellId::Pruned { preset, ratio }).remove();
        Ok(Made {
            model,
            kept: KeptOfKind::of(&plan.selection, &axes),
            criterion: plan.criterion,
            calibration: preset.needs_calibration().then_some(calibration.provenance),
            training_tokens: report.curve.last().map_or(0, |point| point.tokens),
            slicing_error: report.slicing_error,
            seconds,
        })
    }
}

impl Made {
    fn dense(model: AnyModel) -> Self {
        Self {
            model,
            kept: Vec::new(),
            criterion: String::new(),
            calibration: None,
            training_tokens: 0,
            slicing_error: None,
            seconds: 0.0,
        }
    }
}

fn evaluate(model: &AnyModel, blocks: &Calibration) -> Result<PerplexityReport, Error> {
    Ok(perplexity(model, blocks, &PerplexityConfig::default(), &TerminalProgress::default())?)
}

fn axes_of_each_kind(model: &AnyModel) -> BTreeMap<AxisKind, usize> {
    let mut axes = BTreeMap::new();
    for (axis, _) in model.coupling().iter() {
        *axes.entry(axis.kind()).or_default() += 1;
    }
    axes
}
