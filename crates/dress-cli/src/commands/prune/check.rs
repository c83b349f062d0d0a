//! What can be told of a run before it begins.

use super::PruneArgs;
use crate::commands::CommonArgs;
use crate::commands::common_args::CalibrationArgs;
use crate::{Error, read_plan};
use dress_core::{Basis, CausalLm, Scores, Selection, SlicePlan};
use dress_models::AnyModel;
use dress_models::checkpoint::fingerprint;
use dress_prune::{Allocation, Compensation, PruneConfig, axes, select};
use std::path::Path;

impl PruneArgs {
    /// The settings, once all of them are checked that can be without the weights.
    pub(in crate::commands) fn check(&self) -> Result<PruneConfig, Error> {
        let config = self.config()?;
        if let Some(settings) = &config.regularize {
            settings.check()?;
        }
        if let (None, Some(who)) = (&self.checkpoint.calibration.calibration, self.looks_at_data(&config)?) {
            return Err(dress_core::Error::CalibrationEmpty { who }.into());
        }
        let declared = crate::declared(&self.checkpoint.model)?;
        match self.plan_made_before()? {
            Some(plan) => {
                plan.check_fingerprint(
                    fingerprint(&declared, &self.checkpoint.model)?,
                    &declared.coupling(),
                )?;
                check_selection(&declared, &plan.selection, &config)?;
            }
            None if config.allocation == Allocation::Uniform => {
                check_selection(&declared, &as_many(&declared, &config)?, &config)?;
            }
            // How much of what goes is in the scores.
            None => {}
        }
        Ok(config)
    }

    /// What looks at calibration data, where anything does.
    pub(super) fn looks_at_data(&self, config: &PruneConfig) -> Result<Option<String>, Error> {
        let scorer = self.select.criteria(&config.targets, config.basis, self.checkpoint.common.seed)?;
        Ok(match config {
            PruneConfig { basis, .. } if *basis != Basis::Identity => Some(format!("--basis {basis}")),
            _ if self.plan.is_none() && scorer.needs_calibration() => Some(scorer.name().into()),
            PruneConfig { regularize: Some(_), .. } => Some("regularization".into()),
            PruneConfig { compensation, .. } if *compensation != Compensation::None => {
                Some(format!("--compensate {compensation}"))
            }
            _ => None,
        })
    }

    pub(super) fn plan_made_before(&self) -> Result<Option<SlicePlan>, Error> {
        self.plan.as_deref().map(read_plan).transpose()
    }
}

/// A selection of as many structures as will go, whichever they are.
fn as_many(declared: &AnyModel, config: &PruneConfig) -> Result<Selection, Error> {
    let map = declared.coupling();
    let mut scores = Scores::new();
    for axis in axes(declared, &config.targets)? {
        scores.insert(axis, vec![0.0; map.axis(axis)?.len])?;
    }
    Ok(select(&scores, &map, &config.targets, config.stock)?)
}

fn check_selection(declared: &AnyModel, selection: &Selection, config: &PruneConfig) -> Result<(), Error> {
    if selection.is_empty() {
        return Err(dress_prune::Error::NothingSelected.into());
    }
    let (_, widths) = selection.split_depth();
    if widths.is_empty() && config.regularize.is_some() {
        return Err(dress_prune::Error::NothingToRegularize.into());
    }
    Ok(declared.check_stock(selection, config.stock)?)
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
