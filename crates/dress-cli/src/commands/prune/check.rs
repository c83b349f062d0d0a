//! What can be told of a run before it begins.

use super::PruneArgs;
use crate::commands::CommonArgs;
use crate::commands::common_args::CalibrationArgs;
use crate::{Error, read_plan};
use dress::PruneJob;
use dress_core::Basis;
use dress_models::{Checkpoint, LoadConfig};
use dress_prune::{HowMuch, Recipe};
use std::path::Path;

impl PruneArgs {
    /// The run, once all is checked that can be without the weights.
    pub(in crate::commands) fn check(&self) -> Result<PruneJob, Error> {
        let checkpoint = Checkpoint::at(&self.checkpoint.model)?;
        let recipe = self.recipe(checkpoint.declared())?;
        let load = LoadConfig { dtype: self.checkpoint.common.dtype };
        let job = PruneJob::new(checkpoint, &recipe, load, self.checkpoint.common.device()?)?;
        match (&self.checkpoint.calibration.calibration, job.resolved.looks_at_data()) {
            (None, Some(who)) => Err(dress_core::Error::CalibrationEmpty { who }.into()),
            _ => Ok(job),
        }
    }

    /// The basis in which the width is sliced; the checkpoint is read only where nothing that was given says it.
    fn basis(&self) -> Result<Basis, Error> {
        let how_much = match &self.plan {
            Some(path) => HowMuch::Planned(Box::new(read_plan(path)?)),
            None => HowMuch::Ratios(Vec::new()),
        };
        let (basis, criteria) = (self.basis, self.select.criterion.clone());
        let asked = Recipe { basis, criteria, ..Recipe::new(self.select.axis.clone(), how_much) };
        match asked.given_basis() {
            Some(basis) => Ok(basis),
            None => Ok(asked.basis(&crate::declared(&self.checkpoint.model)?)),
        }
    }
}

/// What [`dress ablate`](crate::commands::AblateArgs) has to know of a run.
impl PruneArgs {
    pub(in crate::commands) fn model(&self) -> &Path {
        &self.checkpoint.model
    }

    /// What options are that were not given and have no default of their own.
    pub(in crate::commands) fn usual_values(&self) -> Vec<(&'static str, String)> {
        // A checkpoint that cannot be read is named where the run is checked.
        self.regularize.usual_values(self.basis().ok())
    }

    pub(in crate::commands) fn out(&self) -> &Path {
        &self.checkpoint.out
    }

    pub(in crate::commands) fn force(&self) -> bool {
        self.checkpoint.force
    }

    pub(in crate::commands) fn plan(&self) -> Option<&Path> {
        self.plan.as_deref()
    }

    pub(in crate::commands) fn costs(&self) -> Option<&Path> {
        self.select.costs.as_deref()
    }

    pub(in crate::commands) fn calibration(&self) -> &CalibrationArgs {
        &self.checkpoint.calibration
    }

    pub(in crate::commands) fn common(&self) -> &CommonArgs {
        &self.checkpoint.common
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command, FromArgMatches};
    use dress_core::{AxisKind, Ratio};

    /// What the command resolves of a family that ships, with no option but those that it needs.
    fn of_the_command(model: &Path, axes: &str) -> PruneJob {
        let command = PruneArgs::augment_args(Command::new("prune").no_binary_name(true));
        let model = model.display().to_string();
        let words = ["--model", &model, "--axis", axes, "--ratio", "0.5", "--calibration", "x", "--out", "y"];
        PruneArgs::from_arg_matches(&command.get_matches_from(words)).unwrap().check().unwrap()
    }

    fn of_the_library(model: &Path, axes: &str) -> PruneJob {
        let axes: Vec<AxisKind> = axes.split(',').map(|axis| axis.parse().unwrap()).collect();
        let recipe = Recipe::new(axes, HowMuch::Ratios(vec![Ratio::new(0.5).unwrap()]));
        let checkpoint = Checkpoint::open(model).unwrap();
        let device = dress_machine::device::parse("auto").unwrap();
        PruneJob::new(checkpoint, &recipe, LoadConfig::default(), device).unwrap()
    }

    #[test]
    fn the_command_resolves_what_the_library_does_for_every_family() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models");
        for family in ["llama3-kjv", "llama2-kjv", "opt-kjv", "phi2-kjv"] {
            for axes in ["residual,heads", "ffn", "residual,heads,ffn"] {
                let (mut command, library) =
                    (of_the_command(&models.join(family), axes), of_the_library(&models.join(family), axes));
                let train = &mut command.resolved.config.regularize.as_mut().unwrap().train;
                assert_eq!(train.run_dir.take().as_deref(), Some(Path::new("y.run")), "where alone differs");
                assert_eq!(command.resolved.config, library.resolved.config, "{family} {axes}");
                assert_eq!(command.resolved.criteria.name(), library.resolved.criteria.name());
                assert_eq!(command.sampling, library.sampling);
                assert_eq!(command.resolved.rounds, library.resolved.rounds);
            }
        }
    }
}
