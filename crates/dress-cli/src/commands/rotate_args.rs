//! The options of `dress rotate`.

use super::common_args::{HOW_IT_RUNS, RESULT};
use super::dry_run::DryRunArgs;
use super::listed::basis;
use super::rotate::Rotate;
use super::transform_args::TransformArgs;
use crate::Error;
use clap::Args;
use dress_core::Basis;
use std::time::Instant;

/// Options of `dress rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    #[command(flatten)]
    checkpoint: TransformArgs,
    /// The coordinates: the principal components of what the layers read, which a tied head is untied for, or
    /// those that leave it tied and move the logits a little; identity is none. By default pca-tied for a
    /// tied head behind RMSNorm and pca for a head of its own.
    #[arg(long, help_heading = RESULT, value_parser = basis())]
    basis: Option<Basis>,
    /// Read the checkpoint one layer at a time and rewrite it from file to file: memory holds one layer and
    /// the calibration's residual stream, then one tensor. For safetensors alone.
    #[arg(long, help_heading = HOW_IT_RUNS)]
    stream: bool,
    #[command(flatten)]
    dry_run: DryRunArgs,
}

impl RotateArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let began = Instant::now();
        let checkpoint = self.checkpoint.settings()?;
        let rotate = Rotate { checkpoint, basis: self.basis, stream: self.stream };
        if self.dry_run.dry_run { rotate.dry_run() } else { rotate.run(began) }
    }
}
