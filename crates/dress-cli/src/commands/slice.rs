//! `dress slice`.

use super::dry_run::DryRun;
use super::size_warnings::warn_of_loss_without;
use crate::{Error, PlaceLock, ResultFile, RunContext, check_place, command_line, read_plan, shown_progress};
use dress_core::{Basis, CausalLm, KeptOfKind, Selection, SlicePlan, StockTarget, TensorEdit, parameters};
use dress_engines::EngineFormat;
use dress_models::checkpoint::{
    RewriteConfig, SaveReport, Weights, check_output, fingerprint, read_config, rewrite, save,
};
use dress_models::{AnyModel, SaveConfig};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// What `dress slice` does.
#[derive(Debug)]
pub(super) struct Slice {
    /// The plan's file.
    pub plan: PathBuf,
    /// The checkpoint that it was made from.
    pub input: PathBuf,
    /// Where the smaller checkpoint goes.
    pub out: PathBuf,
    /// Whose rules the shape keeps.
    pub target: StockTarget,
    /// The engines that serve the result.
    pub served_by: Vec<EngineFormat>,
    /// Whether what is there is replaced.
    pub force: bool,
    /// Where what cannot be streamed is loaded.
    pub context: RunContext,
}

impl Slice {
    /// Slices and saves; `began` is when the command did.
    pub fn run(self, began: Instant) -> Result<(), Error> {
        check_place(&self.out)?;
        let _lock = PlaceLock::take(&self.out)?;
        check_output(&self.out, Some(&self.input), self.force)?;
        let (declared, plan) = self.checked_plan()?;
        let edits = dress_prune::edits(&declared, &plan.selection)?;
        let parameters_before = parameters::count(&declared);
        let parameters = dress_prune::parameters_left(&declared, &plan.selection)?;
        let kept = KeptOfKind::of(&plan.selection, &declared.coupling());
        let weights = Weights::open(&self.input)?;
        let device = self.context.compute.device_name();
        // Every tensor keeps the type it has in its file.
        let dtype = weights.float_type().unwrap_or_default().to_string();
        let result = ResultFile {
            calibration: plan.calibration.clone(),
            command: Some(command_line()),
            ..ResultFile::of(plan, device, dtype, [parameters_before, parameters])
        };
        let saved = match weights {
            Weights::Safetensors(_) => self.stream(&declared, &edits, &result, &kept)?,
            _ => self.load_and_save(&result, &kept)?,
        };
        warn_of_loss_without(&self.served_by, &declared, &result.plan.selection);
        let report = json!({
            "parameters_before": parameters_before,
            "parameters": parameters,
            "bytes": saved.bytes,
            "seconds": began.elapsed().as_secs_f64(),
            "out": self.out.display().to_string(),
        });
        self.context.output.print(&report, || {
            format!("{parameters_before} -> {} parameters in {}", report["parameters"], self.out.display())
        })?;
        Ok(())
    }

    /// Says what would come of it. Nothing is computed, so there is nothing to measure.
    pub fn dry_run(&self) -> Result<(), Error> {
        let (declared, plan) = self.checked_plan()?;
        declared.clone().resized(&plan.selection)?.check_stock(&Selection::new(), self.target)?;
        let takes = match Weights::open(&self.input)? {
            Weights::Safetensors(_) => {
                "from file to file: as long as copying the checkpoint, with a few tensors in memory"
            }
            _ => "through memory: as long as reading the checkpoint and writing it, with all weights in f32",
        };
        DryRun::of_selection(&self.input, &declared, &plan.selection, &self.served_by, None, takes.into())?
            .print(self.context.output)
    }

    /// The model that the checkpoint declares, and the plan, which fits it.
    fn checked_plan(&self) -> Result<(AnyModel, SlicePlan), Error> {
        let (text, path) = read_config(&self.input)?;
        let declared = AnyModel::from_config(&text, &path, &self.context.compute.device)?;
        let mut plan = read_plan(&self.plan, &declared)?;
        if plan.basis != Basis::Identity {
            return Err(dress_prune::Error::BasisOfPlan { basis: plan.basis }.into());
        }
        let found = fingerprint(&declared, &self.input)?;
        plan.check_fingerprint(found.clone(), &declared.coupling())?;
        // What a plan made by hand does not say.
        plan.fingerprint = found;
        dress_prune::check_served(&declared, &plan.selection, &self.served_by)?;
        Ok((declared, plan))
    }

    /// From file to file, with no model in memory.
    fn stream(
        &self,
        declared: &AnyModel,
        edits: &BTreeMap<String, TensorEdit>,
        result: &ResultFile,
        kept: &[KeptOfKind],
    ) -> Result<SaveReport, Error> {
        let resized = declared.clone().resized(&result.plan.selection)?;
        let model_card = Some(result.model_card(kept).to_string());
        let (extra_files, target, force) = (result.files(), self.target, self.force);
        let config = RewriteConfig { extra_files, model_card, target, force };
        let places = [self.input.as_path(), &self.out];
        Ok(rewrite(declared, &resized, edits, places, &config, &shown_progress())?)
    }

    /// Through memory, from files that cannot be streamed.
    fn load_and_save(&self, result: &ResultFile, kept: &[KeptOfKind]) -> Result<SaveReport, Error> {
        let model = dress_prune::apply(self.context.load(&self.input)?, &result.plan)?;
        let config = SaveConfig {
            source: Some(self.input.clone()),
            extra_files: result.files(),
            model_card: Some(result.model_card(kept).to_string()),
            target: self.target,
            force: self.force,
            ..SaveConfig::default()
        };
        Ok(save(&model, &self.out, &config)?)
    }
}
