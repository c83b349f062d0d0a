//! `dress slice`.

use super::CommonArgs;
use crate::{Error, locate};
use clap::Args;
use dress_core::{SlicePlan, StockTarget, parameters};
use dress_models::SaveConfig;
use dress_models::checkpoint::{check_output, save};
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
        let model = self.common.load(&self.input)?;
        let parameters_before = parameters::count(&model);
        let model = dress_prune::apply(model, &plan)?;
        let config = SaveConfig {
            source: Some(self.input.clone()),
            extra_files: vec![("plan.json".into(), plan.to_json())],
            target: self.target,
            force: self.force,
            ..SaveConfig::default()
        };
        let saved = save(&model, &self.output, &config)?;
        let report = json!({
            "parameters_before": parameters_before,
            "parameters": parameters::count(&model),
            "bytes": saved.bytes,
            "seconds": began.elapsed().as_secs_f64(),
            "out": self.output.display().to_string(),
        });
        self.common.output().print(&report, || {
            format!("{parameters_before} -> {} parameters in {}", report["parameters"], self.output.display())
        });
        Ok(())
    }
}
