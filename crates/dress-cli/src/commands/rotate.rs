//! `dress rotate`.

use super::listed::listed;
use super::transform_args::TransformArgs;
use crate::{Error, TerminalProgress};
use clap::Args;
use dress_core::{Axis, AxisKind, Basis, Calibration, CausalLm, Normalization, Parts, parameters};
use dress_models::checkpoint::{RewriteConfig, Weights, rewrite_rotated, save};
use dress_models::{CheckpointParts, LoadConfig};
use dress_prune::{
    Rotated, RotatedByParts, best_basis, rotate_by_parts, rotate_tied, rotate_to_principal_components,
};
use serde_json::json;
use std::time::Instant;

/// Options of `dress rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    #[command(flatten)]
    checkpoint: TransformArgs,
    /// The coordinates: the principal components of what the blocks read, which a tied head is untied for, or those
    /// that leave it tied and move the logits a little; identity is none. By default pca-tied for a tied head behind RMSNorm
    /// and pca for a head of its own.
    #[arg(long, value_parser = listed::<Basis>(Basis::NAMES))]
    basis: Option<Basis>,
    /// Read the checkpoint one block at a time and rewrite it from file to file: memory holds one block and the
    /// calibration's residual stream, then one tensor. For safetensors alone.
    #[arg(long)]
    stream: bool,
}

/// What a rotation made.
struct Made {
    parameters: [u64; 2],
    energy: Vec<f64>,
}

impl RotateArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        let began = Instant::now();
        let _lock = self.checkpoint.open()?;
        if self.stream {
            Weights::open(&self.checkpoint.model)?.streamable()?;
        }
        let basis = self.basis()?;
        let calibration = self.checkpoint.blocks_for(&basis.to_string())?;
        let made = match self.stream {
            true => self.rotate_files(basis, &calibration)?,
            false => self.rotate_model(basis, &calibration)?,
        };
        self.print(basis, &made, began.elapsed().as_secs_f64())?;
        Ok(())
    }

    fn basis(&self) -> Result<Basis, Error> {
        let map = crate::declared(&self.checkpoint.model)?.coupling();
        match self.basis.unwrap_or(best_basis(&map, &[AxisKind::Residual])) {
            Basis::Identity if self.basis.is_some() => Err(dress_prune::Error::NothingToRotate.into()),
            Basis::Identity if map.axis(Axis::Residual)?.normalization == Some(Normalization::Layer) => {
                Err(Error::NoFreeBasis)
            }
            // The rotation says why there is none.
            Basis::Identity => Ok(Basis::Pca),
            basis => Ok(basis),
        }
    }

    /// With the whole model in memory.
    fn rotate_model(&self, basis: Basis, calibration: &Calibration) -> Result<Made, Error> {
        let (model, progress) = (self.checkpoint.load()?, TerminalProgress::default());
        let before = parameters::count(&model);
        let Rotated { model, energy } = match basis {
            Basis::PcaTied => rotate_tied(model, calibration, &progress)?,
            _ => rotate_to_principal_components(model, calibration, &progress)?,
        };
        save(&model, &self.checkpoint.out, &self.checkpoint.saving())?;
        Ok(Made { parameters: [before, parameters::count(&model)], energy })
    }

    /// With one part of the model at a time in memory, then from file to file.
    fn rotate_files(&self, basis: Basis, calibration: &Calibration) -> Result<Made, Error> {
        let TransformArgs { model, out, force, common, .. } = &self.checkpoint;
        let progress = TerminalProgress::default();
        let load = LoadConfig { dtype: common.dtype() };
        let parts = CheckpointParts::open(model, &load, &common.device()?)?;
        let RotatedByParts { declared, rotation, energy } =
            rotate_by_parts(&parts, basis, calibration, &progress)?;
        let config = RewriteConfig { force: *force, ..RewriteConfig::default() };
        rewrite_rotated(parts.declared(), &declared, &rotation, [model, out], &config, &progress)?;
        Ok(Made { parameters: [parameters::count(parts.declared()), parameters::count(&declared)], energy })
    }

    fn print(&self, basis: Basis, made: &Made, seconds: f64) -> Result<(), Error> {
        let (Made { parameters: [before, after], energy }, out) = (made, self.checkpoint.out.display());
        let report = json!({
            "parameters_before": before,
            "parameters": after,
            "seconds": seconds,
            "out": out.to_string(),
            "basis": basis,
            "energy": energy,
        });
        let carried =
            |share: f64| energy.iter().take((energy.len() as f64 * share) as usize).sum::<f64>() * 100.0;
        self.checkpoint.common.output().print(&report, || {
            format!(
                "rotated to principal components ({basis}), written to {out}; half of the width carries {:.1}% of \
                 the energy, three quarters {:.1}%",
                carried(0.5),
                carried(0.75)
            )
        })?;
        Ok(())
    }
}
