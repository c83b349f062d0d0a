//! `dress rotate`.

use super::dry_run::{DryRun, FEW, on_few_of};
use super::transform::Transform;
use crate::{Error, ResultFile, check_place, command_line, shown_progress};
use dress::{ModelCard, StageTimes, stage_factor};
use dress_core::{Axis, AxisKind, Basis, Calibration, CausalLm, Normalization, Progress, parameters};
use dress_models::checkpoint::{RewriteConfig, Weights, rewrite_rotated, save};
use dress_models::{AnyModel, CheckpointParts, SaveConfig};
use dress_prune::{
    Rotated, RotatedByParts, best_basis, rotate_by_parts, rotate_tied, rotate_to_principal_components,
};
use serde_json::json;
use std::time::Instant;

/// What `dress rotate` does.
#[derive(Debug)]
pub(super) struct Rotate {
    /// From which checkpoint, with which text, to where.
    pub checkpoint: Transform,
    /// The coordinates, where they are given.
    pub basis: Option<Basis>,
    /// Whether it goes from file to file.
    pub stream: bool,
}

/// What a rotation made.
struct Made {
    parameters: [u64; 2],
    energy: Vec<f64>,
}

impl Rotate {
    /// Rotates and saves; `began` is when the command did.
    pub fn run(self, began: Instant) -> Result<(), Error> {
        let _lock = self.checkpoint.lock()?;
        if self.stream {
            Weights::open(self.checkpoint.model())?.streamable()?;
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

    /// Says what a rotation would take, and writes nothing. Of one by layers only what is computed is timed,
    /// not the rewriting.
    pub fn dry_run(self) -> Result<(), Error> {
        check_place(&self.checkpoint.out)?;
        let basis = self.basis()?;
        let calibration = self.checkpoint.blocks_for(&basis.to_string())?;
        let whole = calibration.blocks.len();
        let few = FEW.min(whole);
        let provenance = calibration.provenance.clone();
        let blocks = Calibration { blocks: calibration.blocks[..few].to_vec(), provenance };
        let (began, shown) = (Instant::now(), shown_progress());
        let times = StageTimes::new(&shown);
        let made = match self.stream {
            true => self.rotated_by_parts(basis, &blocks, &times)?.declared,
            false => rotated(self.checkpoint.load()?, basis, &blocks, &times)?.model,
        };
        let estimate = times.estimate(began.elapsed().as_secs_f64(), |timed| {
            stage_factor(&timed.stage, [few, whole], [1, 1])
        });
        let models = [self.checkpoint.checkpoint.declared(), &made];
        let (path, output) = (self.checkpoint.model(), self.checkpoint.context.output);
        DryRun::of_model(path, models, None, &[], estimate, on_few_of(few, whole))?.print(output)
    }

    fn basis(&self) -> Result<Basis, Error> {
        let map = self.checkpoint.checkpoint.declared().coupling();
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
        let (model, progress) = (self.checkpoint.load()?, shown_progress());
        let before = parameters::count(&model);
        let Rotated { model, energy } = rotated(model, basis, calibration, &progress)?;
        let parameters = [before, parameters::count(&model)];
        let model_card = Some(self.model_card(basis, parameters, calibration).to_string());
        save(&model, &self.checkpoint.out, &SaveConfig { model_card, ..self.checkpoint.saving() })?;
        Ok(Made { parameters, energy })
    }

    /// With one part of the model at a time in memory, then from file to file.
    fn rotate_files(&self, basis: Basis, calibration: &Calibration) -> Result<Made, Error> {
        let Transform { checkpoint, out, force, .. } = &self.checkpoint;
        let (progress, model) = (shown_progress(), checkpoint.path());
        let RotatedByParts { declared, rotation, energy } =
            self.rotated_by_parts(basis, calibration, &progress)?;
        let parameters = [parameters::count(checkpoint.declared()), parameters::count(&declared)];
        let model_card = Some(self.model_card(basis, parameters, calibration).to_string());
        let config = RewriteConfig { force: *force, model_card, ..RewriteConfig::default() };
        rewrite_rotated(checkpoint.declared(), &declared, &rotation, [model, out], &config, &progress)?;
        Ok(Made { parameters, energy })
    }

    fn rotated_by_parts(
        &self,
        basis: Basis,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Result<RotatedByParts<AnyModel>, Error> {
        let Transform { checkpoint, context, .. } = &self.checkpoint;
        let compute = &context.compute;
        let parts = CheckpointParts::open(checkpoint.path(), &compute.load_config(), &compute.device)?;
        Ok(rotate_by_parts(&parts, basis, calibration, progress)?)
    }

    fn model_card(&self, basis: Basis, [before, after]: [u64; 2], calibration: &Calibration) -> ModelCard {
        let compute = &self.checkpoint.context.compute;
        let basis = format!("The residual stream was turned to its principal components (`{basis}`).");
        ModelCard {
            summary: "The residual stream has other coordinates; nothing was removed.".into(),
            sizes: ModelCard::parameters(before, after).into(),
            how: vec![basis, ModelCard::calibration(&calibration.provenance)],
            command: Some(command_line()),
            made_by: format!(
                "dress {}, Burn {}, {} in {}",
                env!("CARGO_PKG_VERSION"),
                ResultFile::BURN_VERSION,
                compute.device_name(),
                compute.dtype
            ),
        }
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
        self.checkpoint.context.output.print(&report, || {
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

/// The model in other coordinates.
fn rotated(
    model: AnyModel,
    basis: Basis,
    calibration: &Calibration,
    progress: &dyn Progress,
) -> Result<Rotated<AnyModel>, Error> {
    Ok(match basis {
        Basis::PcaTied => rotate_tied(model, calibration, progress)?,
        _ => rotate_to_principal_components(model, calibration, progress)?,
    })
}
