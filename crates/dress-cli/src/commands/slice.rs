//! `dress slice`.

use super::CommonArgs;
use super::common_args::ComputeArgs;
use super::listed::listed;
use crate::{Error, Output, PlaceLock, ResultFile, TerminalProgress, check_place, locate, read_plan};
use clap::Args;
use dress_core::{Basis, CausalLm, StockTarget, TensorEdit, parameters};
use dress_models::checkpoint::{
    RewriteConfig, SaveReport, Weights, check_output, fingerprint, read_config, rewrite, save,
};
use dress_models::{AnyModel, FloatType, SaveConfig};
use dress_prune::PruneReport;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// Options of `dress slice`.
#[derive(Debug, Args)]
pub struct SliceArgs {
    /// The plan that `dress score` or `dress prune` wrote.
    #[arg(long)]
    plan: PathBuf,
    /// The checkpoint the plan was made from.
    input: PathBuf,
    /// Where the smaller checkpoint goes.
    output: PathBuf,
    /// Whose rules the shape of the result keeps.
    #[arg(long, default_value_t = StockTarget::Any, value_parser = listed::<StockTarget>(StockTarget::NAMES))]
    target: StockTarget,
    /// Replace what is there.
    #[arg(long)]
    force: bool,
    /// Where to load what cannot be read in parts, such as GGUF: auto, cpu, cuda, rocm, vulkan, metal or cubecl-cpu.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Print one JSON object on standard output; everything else goes to standard error.
    #[arg(long)]
    json: bool,
}

impl SliceArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.input = locate(&self.input)?;
        let began = Instant::now();
        check_place(&self.output)?;
        let _lock = PlaceLock::take(&self.output)?;
        check_output(&self.output, Some(&self.input), self.force)?;
        let plan = read_plan(&self.plan)?;
        let (text, path) = read_config(&self.input)?;
        let declared = AnyModel::from_config(&text, &path, &self.loading().device()?)?;
        if plan.basis != Basis::Identity {
            return Err(dress_prune::Error::BasisOfPlan { basis: plan.basis }.into());
        }
        plan.check_fingerprint(fingerprint(&declared, &self.input)?, &declared.coupling())?;
        let edits = dress_prune::edits(&declared, &plan.selection)?;
        let parameters_before = parameters::count(&declared);
        let parameters = parameters::list(&declared)
            .into_iter()
            .map(|p| edits.get(&p.name).unwrap_or(&TensorEdit::default()).count(&p.shape))
            .sum();
        let weights = Weights::open(&self.input)?;
        let result = ResultFile {
            dress_version: env!("CARGO_PKG_VERSION").into(),
            burn_version: ResultFile::BURN_VERSION.into(),
            device: self.loading().device_name(),
            // Every tensor keeps the type it has in its file.
            dtype: weights.float_type().unwrap_or_default().to_string(),
            parameters_before,
            parameters,
            calibration: plan.calibration.clone(),
            regularize: None,
            report: PruneReport::default(),
            plan,
        };
        let saved = match weights {
            Weights::Safetensors(_) => self.stream(&declared, &edits, &result)?,
            _ => self.load_and_save(&result)?,
        };
        let report = json!({
            "parameters_before": parameters_before,
            "parameters": parameters,
            "bytes": saved.bytes,
            "seconds": began.elapsed().as_secs_f64(),
            "out": self.output.display().to_string(),
        });
        Output::new(self.json).print(&report, || {
            format!("{parameters_before} -> {} parameters in {}", report["parameters"], self.output.display())
        })?;
        Ok(())
    }

    /// How what cannot be streamed is loaded.
    fn loading(&self) -> CommonArgs {
        let compute = ComputeArgs { device: self.device.clone(), dtype: FloatType::F32 };
        CommonArgs { compute, seed: 0, json: self.json }
    }

    /// From file to file, with no model in memory.
    fn stream(
        &self,
        declared: &AnyModel,
        edits: &BTreeMap<String, TensorEdit>,
        result: &ResultFile,
    ) -> Result<SaveReport, Error> {
        let resized = declared.clone().resized(&result.plan.selection)?;
        let config = RewriteConfig { extra_files: result.files(), target: self.target, force: self.force };
        let places = [self.input.as_path(), &self.output];
        Ok(rewrite(declared, &resized, edits, places, &config, &TerminalProgress::default())?)
    }

    /// Through memory, from files that cannot be streamed.
    fn load_and_save(&self, result: &ResultFile) -> Result<SaveReport, Error> {
        let model = dress_prune::apply(self.loading().load(&self.input)?, &result.plan)?;
        let config = SaveConfig {
            source: Some(self.input.clone()),
            extra_files: result.files(),
            target: self.target,
            force: self.force,
            ..SaveConfig::default()
        };
        Ok(save(&model, &self.output, &config)?)
    }
}
