//! `dress score`.

use super::CommonArgs;
use super::common_args::{CalibrationArgs, SelectArgs};
use crate::{Error, TerminalProgress, locate, write_beside};
use clap::Args;
use dress_models::AnyModel;
use dress_prune::{PruneConfig, plan};
use serde_json::json;
use std::path::PathBuf;

/// Options of `dress score`.
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    model: PathBuf,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// Where the plan goes.
    #[arg(long)]
    out: PathBuf,
    /// Replace the plan that is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: CommonArgs,
}

impl ScoreArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.model = locate(&self.model)?;
        if self.out.exists() && !self.force {
            return Err(Error::Exists { path: self.out });
        }
        let config = PruneConfig {
            targets: self.select.targets()?,
            regularize: None,
            stock: self.select.target,
            seed: self.common.seed,
        };
        let scorer = self.select.criterion.scorer::<AnyModel>(self.common.seed);
        let calibration = self.calibration.blocks(&self.model, self.common.seed)?;
        if scorer.needs_calibration() && calibration.blocks.is_empty() {
            return Err(Error::NeedsCalibration { criterion: self.select.criterion.to_string() });
        }
        let model = self.common.load(&self.model)?;
        let progress = TerminalProgress::default();
        let plan = plan(&model, scorer.as_ref(), &calibration, &config, &progress)?;
        write_beside(&self.out, plan.to_json().as_bytes())?;
        let report = json!({
            "plan": self.out.display().to_string(),
            "criterion": plan.criterion,
            "fingerprint": plan.fingerprint,
            "scores": plan.scores,
        });
        self.common.output().print(&report, || format!("plan written to {}", self.out.display()));
        Ok(())
    }
}
