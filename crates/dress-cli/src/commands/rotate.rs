//! `dress rotate`.

use super::CommonArgs;
use super::common_args::CalibrationArgs;
use crate::{Error, TerminalProgress, locate};
use clap::Args;
use dress_core::parameters;
use dress_models::SaveConfig;
use dress_models::checkpoint::{check_output, save};
use dress_prune::{Rotated, rotate_to_principal_components};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// Options of `dress rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    model: PathBuf,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// Where the rotated checkpoint goes.
    #[arg(long)]
    out: PathBuf,
    /// Replace the checkpoint at --out.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: CommonArgs,
}

impl RotateArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.model = locate(&self.model)?;
        let began = Instant::now();
        check_output(&self.out, Some(&self.model), self.force)?;
        let calibration = self.calibration.blocks(&self.model, self.common.seed)?;
        let model = self.common.load(&self.model)?;
        let parameters_before = parameters::count(&model);
        let Rotated { model, energy } =
            rotate_to_principal_components(model, &calibration, &TerminalProgress::default())?;
        let config = SaveConfig { source: Some(self.model), force: self.force, ..SaveConfig::default() };
        save(&model, &self.out, &config)?;
        let report = json!({
            "parameters_before": parameters_before,
            "parameters": parameters::count(&model),
            "seconds": began.elapsed().as_secs_f64(),
            "out": self.out.display().to_string(),
            "energy": energy,
        });
        let carried =
            |share: f64| energy.iter().take((energy.len() as f64 * share) as usize).sum::<f64>() * 100.0;
        self.common.output().print(&report, || {
            format!(
                "rotated to principal components, written to {}; half of the width carries {:.1}% of the energy, \
                 three quarters {:.1}%",
                self.out.display(),
                carried(0.5),
                carried(0.75)
            )
        });
        Ok(())
    }
}
