//! `dress slice`.

use super::CommonArgs;
use crate::{Error, TerminalProgress, locate};
use clap::Args;
use dress_core::parameters::{self, ParameterInfo};
use dress_core::{CausalLm, SlicePlan, StockTarget};
use dress_models::checkpoint::{
    RewriteConfig, SaveReport, Weights, check_output, fingerprint, read_config, rewrite, save,
};
use dress_models::{AnyModel, SaveConfig};
use serde_json::json;
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
    /// Whose rules the shape of the result keeps: any, transformers or dress.
    #[arg(long, default_value_t = StockTarget::Transformers)]
    target: StockTarget,
    /// Replace what is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: CommonArgs,
}

impl SliceArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.input = locate(&self.input)?;
        let began = Instant::now();
        check_output(&self.output, self.force)?;
        let text = std::fs::read_to_string(&self.plan)
            .map_err(|source| Error::Io { path: self.plan.clone(), source })?;
        let plan = SlicePlan::from_json(&text, &self.plan)?;
        let (text, path) = read_config(&self.input)?;
        let declared = AnyModel::from_config(&text, &path, &self.common.device()?)?;
        let (parameters, saved) = match Weights::open(&self.input)? {
            Weights::Safetensors(_) => self.stream(&declared, &plan)?,
            _ => self.load_and_save(&plan)?,
        };
        let parameters_before = parameters::count(&declared);
        let report = json!({
            "parameters_before": parameters_before,
            "parameters": parameters,
            "bytes": saved.bytes,
            "seconds": began.elapsed().as_secs_f64(),
            "out": self.output.display().to_string(),
        });
        self.common.output().print(&report, || {
            format!("{parameters_before} -> {} parameters in {}", report["parameters"], self.output.display())
        });
        Ok(())
    }

    /// From file to file, with no model in memory.
    fn stream(&self, declared: &AnyModel, plan: &SlicePlan) -> Result<(u64, SaveReport), Error> {
        plan.check_fingerprint(fingerprint(declared, &self.input)?, &declared.coupling())?;
        let edits = dress_prune::edits(declared, &plan.selection)?;
        let resized = declared.clone().resized(&plan.selection)?;
        let config = RewriteConfig { extra_files: plan_file(plan), target: self.target, force: self.force };
        let progress = TerminalProgress::default();
        let places = [self.input.as_path(), &self.output];
        let saved = rewrite(declared, &resized, &edits, places, &config, &progress)?;
        let left = |p: ParameterInfo| match edits.get(&p.name) {
            Some(edit) => edit.shape(&p.shape).iter().product::<usize>(),
            None => p.shape.iter().product(),
        };
        let parameters = parameters::list(declared).into_iter().map(|p| left(p) as u64).sum();
        Ok((parameters, saved))
    }

    /// Through memory, from files that cannot be streamed.
    fn load_and_save(&self, plan: &SlicePlan) -> Result<(u64, SaveReport), Error> {
        let model = dress_prune::apply(self.common.load(&self.input)?, plan)?;
        let config = SaveConfig {
            source: Some(self.input.clone()),
            extra_files: plan_file(plan),
            target: self.target,
            force: self.force,
            ..SaveConfig::default()
        };
        Ok((parameters::count(&model), save(&model, &self.output, &config)?))
    }
}

fn plan_file(plan: &SlicePlan) -> Vec<(String, String)> {
    vec![("plan.json".into(), plan.to_json())]
}
