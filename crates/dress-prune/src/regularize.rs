//! The regularization phase: training that prepares a model for being sliced.

use crate::centre_for::centre_for;
use crate::reindex::Reindex;
use crate::{
    Error, GradualRefit, LocalInputs, PacedRefit, PenaltyForm, SelectedPenalty, WeightedActivations, permute,
};
use dress_core::{
    Axis, Basis, Calibration, CausalLm, Fingerprint, Penalty, Progress, Selection, SlicePlan, TensorEdit,
    only_adds, parameters,
};
use dress_regularize::{
    ActivationPenalty, ComponentWeights, Gate, GateNorms, OwnPenalty, PenaltyKind, Regularizer, Schedule,
    SlotChoice,
};
use dress_train::{
    Distillation, DistillationConfig, LanguageModelling, Objective, RunDirectory, Slicer, Teacher,
    TrainConfig, Trainable, Trained, Training,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The regularization phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegularizeConfig {
    /// The penalty.
    pub penalty: PenaltyKind,
    /// A penalty of another crate on the weights, in place of [`RegularizeConfig::penalty`], which is that on
    /// activations all the same. Files have its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_penalty: Option<OwnPenalty>,
    /// How it acts.
    pub form: PenaltyForm,
    /// Its strength, see [`SelectedPenalty::lambda`].
    pub lambda: f64,
    /// How the strength changes over the run.
    pub schedule: Schedule,
    /// How much attention, feed-forward and other parameters count.
    pub weights: ComponentWeights,
    /// Which slots of the selected structures it acts on.
    pub slots: SlotChoice,
    /// Whether a penalty in the loss is divided by what it is at the start, so that lambda does not depend on
    /// the model.
    pub normalize: bool,
    /// The weight of the same penalty on what the selected structures compute; 0 for none. With
    /// [`RegularizeConfig::normalize`], relative to what all structures compute.
    pub activations: f64,
    /// How the annealed gate closes, where there is one.
    pub gate: Option<Schedule>,
    /// What the gate does to the norms' statistics.
    pub gate_norms: GateNorms,
    /// Whether the model is sliced as soon as nothing selected is left in it, the rest of the steps training
    /// the smaller model.
    pub slice_early: bool,
    /// Whether the optimizer moves only what stays; the selected weights then change by proximal steps alone.
    pub kept_only: bool,
    /// How much is learnt from the dense model, where anything is.
    pub distill: Option<Distill>,
    /// What each layer reads, where layers are regularized one at a time against what the dense layer adds to
    /// the stream, and not the whole model against the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalInputs>,
    /// The training's settings.
    pub train: TrainConfig,
}

/// How much is learnt from the dense model, and how its outputs are had.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Distill {
    /// What it counts.
    #[serde(flatten)]
    pub objective: DistillationConfig,
    /// Compute the dense model's outputs once, to a file in the run's directory, instead of keeping that
    /// model and running it in every step.
    pub cache: bool,
}

impl Distill {
    /// Whether residual streams are compared, which takes a teacher in the student's basis.
    pub(crate) fn compares_streams(&self) -> bool {
        self.objective.hidden > 0.0
    }
}

impl Default for RegularizeConfig {
    /// What did best of what was tried on SmolLM2-135M at 25% width, in principal components;
    /// `docs/results/regularizing.md` has the table, and [`usual_learning_rate`] the rate for another basis.
    fn default() -> Self {
        Self {
            penalty: PenaltyKind::Group,
            own_penalty: None,
            form: PenaltyForm::Proximal,
            lambda: 5.0,
            schedule: Schedule::Constant,
            weights: ComponentWeights::default(),
            slots: SlotChoice::All,
            normalize: false,
            activations: 0.0,
            gate: None,
            gate_norms: GateNorms::default(),
            slice_early: true,
            kept_only: false,
            distill: None,
            local: None,
            train: TrainConfig::default(),
        }
    }
}

/// The highest learning rate that did best while structures go, of 1e-4 and 3e-4: principal components are a
/// start that higher ones undo, and channels, neurons and heads of the checkpoint's own take longer to make
/// up for. `docs/results/regularizing.md` has the tables.
pub fn usual_learning_rate(basis: Basis) -> f64 {
    match basis {
        Basis::Identity => 3e-4,
        Basis::Pca | Basis::PcaTied => 1e-4,
    }
}

impl RegularizeConfig {
    /// The same with a penalty of your own on the weights.
    #[must_use]
    pub fn penalized_by(self, penalty: impl Penalty + 'static) -> Self {
        Self { own_penalty: Some(OwnPenalty::new(penalty)), ..self }
    }

    /// The penalty on weights.
    ///
    /// # Errors
    /// [`dress_regularize::Error::PenaltyNotGiven`].
    pub(crate) fn penalty_on_weights(&self) -> Result<Arc<dyn Penalty>, Error> {
        match &self.own_penalty {
            Some(own) => Ok(own.penalty()?),
            None => Ok(self.penalty.penalty()),
        }
    }

    /// The name of the penalty on weights.
    pub fn penalty_name(&self) -> String {
        self.own_penalty.as_ref().map_or_else(|| self.penalty.to_string(), |own| own.name().into())
    }

    /// Whether it is known before a step how much of the selection is left in it.
    pub(crate) fn has_a_path(&self) -> bool {
        self.gate.is_some() || self.form == PenaltyForm::Proximal
    }

    /// Checks that the settings make sense.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::PenaltyOnFixedWeights`], [`Error::NoEndToStopAfter`],
    /// [`Error::CacheWithoutPlace`], [`dress_regularize::Error::PenaltyNotGiven`], those of the schedules,
    /// and those of [`TrainConfig::check`].
    pub fn check(&self) -> Result<(), Error> {
        self.penalty_on_weights()?;
        let ComponentWeights { attention, ffn, rest } = self.weights;
        let numbers = [
            ("lambda", self.lambda),
            ("attention_weight", attention),
            ("ffn_weight", ffn),
            ("rest_weight", rest),
            ("activations", self.activations),
        ];
        if let Some((setting, value)) = numbers.into_iter().find(|(_, n)| !(n.is_finite() && *n >= 0.0)) {
            return Err(Error::Setting { setting, value, expected: "it has to be 0 or a positive number" });
        }
        let low_rank = self.train.trainable != Trainable::All;
        let fixed = match self.form {
            PenaltyForm::Loss => self.kept_only || low_rank,
            PenaltyForm::Proximal => low_rank,
            PenaltyForm::Off => false,
        };
        if fixed {
            return Err(Error::PenaltyOnFixedWeights);
        }
        let in_loss = self.form == PenaltyForm::Loss || self.activations > 0.0;
        let has_an_end = self.form == PenaltyForm::Proximal || self.gate.is_some();
        if self.train.early_stopping.is_some() && in_loss && !has_an_end {
            return Err(Error::NoEndToStopAfter);
        }
        [Some(self.schedule), self.gate].into_iter().flatten().try_for_each(|schedule| schedule.check())?;
        if let Some(distill) = &self.distill {
            distill.objective.check()?;
            if distill.cache && self.train.run_dir.is_none() {
                return Err(Error::CacheWithoutPlace);
            }
        }
        Ok(self.train.check()?)
    }
}

/// What goes of `model` before anything is regularized, and what is regularized then. Whole layers are
/// regularized with the rest where all of them only add to the residual stream; otherwise they go first, and
/// the rest is of what they leave.
pub(crate) fn split_to_regularize<M: CausalLm>(model: &M, selection: &Selection) -> (Selection, Selection) {
    let map = model.coupling();
    if selection.removed_layers().iter().all(|&layer| only_adds(model, &map, layer)) {
        (Selection::new(), selection.outside_removed_layers())
    } else {
        selection.split_depth()
    }
}

/// What is regularized.
pub(crate) struct Regularized<'a, M> {
    /// The dense model, where something is to be learnt from it: as it was loaded, or in the basis in which
    /// it is sliced where streams are compared.
    pub dense: Option<M>,
    /// What goes of the model in that basis.
    pub plan: &'a SlicePlan,
    /// What goes of the model that is trained: whole layers, and the last structures of every other axis.
    pub selection: &'a Selection,
    /// What makes up for it while it goes.
    pub refit: Option<&'a GradualRefit>,
    /// What tells the teacher from others, where there is one.
    pub taught_by: Option<&'a Fingerprint>,
    /// What else decides the run, where it is one layer's.
    pub layer_key: Option<&'a Value>,
}

pub(crate) fn regularize<M: CausalLm>(
    model: M,
    what: Regularized<'_, M>,
    calibration: &Calibration,
    settings: &RegularizeConfig,
    progress: &dyn Progress,
) -> Result<Trained<M>, Error> {
    let factor = model.stream_factor(what.selection);
    let teacher = teacher(&what, factor, calibration, settings, progress)?;
    let distillation = teacher.as_ref().zip(settings.distill);
    let distillation =
        distillation.map(|(teacher, distill)| Distillation { teacher, config: distill.objective });
    let objective: &dyn Objective<M> = match &distillation {
        Some(distillation) => distillation,
        None => &LanguageModelling,
    };
    let what = Regularized { taught_by: teacher.as_ref().map(Teacher::fingerprint), ..what };
    regularize_towards(model, &what, calibration, settings, objective, progress)
}

/// Regularizes with another objective than the settings say.
pub(crate) fn regularize_towards<M: CausalLm>(
    model: M,
    what: &Regularized<'_, M>,
    calibration: &Calibration,
    settings: &RegularizeConfig,
    objective: &dyn Objective<M>,
    progress: &dyn Progress,
) -> Result<Trained<M>, Error> {
    let RegularizeConfig { penalty, weights, slots, .. } = *settings;
    let selection = what.selection;
    let on_weights = settings.penalty_on_weights()?;
    let regularizer = Regularizer::with_penalty(&model, selection, on_weights, weights, slots)?;
    if settings.form == PenaltyForm::Proximal {
        regularizer.check_proximal()?;
    }
    let regularizer = if settings.normalize { regularizer.normalized(&model)? } else { regularizer };
    let gate = settings.gate.map(|schedule| Gate::new(&model, selection, schedule, settings.gate_norms));
    let gate = gate.transpose()?;
    let listens = settings.activations > 0.0;
    let activations = listens.then(|| ActivationPenalty::new(&model, selection, penalty, settings.normalize));
    let activations = activations.transpose()?;
    let slicer = Selected(selection.clone());
    let regularization = SelectedPenalty {
        regularizer: &regularizer,
        form: settings.form,
        lambda: settings.lambda,
        schedule: settings.schedule,
        gate: gate.as_ref(),
        refit: what
            .refit
            .map(|refit| PacedRefit { refit, steps: settings.train.steps_on(calibration.blocks.len()) }),
        activations: activations
            .as_ref()
            .map(|penalty| WeightedActivations { penalty, weight: settings.activations }),
        kept_only: settings.kept_only,
        slicer: settings.slice_early.then_some(&slicer as &dyn Slicer<M>),
    };
    let config = &settings.train;
    let mut about = serde_json::to_value(settings).expect("settings are numbers and names");
    about["layer"] = what.layer_key.cloned().unwrap_or_default();
    about["refitted"] = what.refit.is_some().into();
    about["selection"] = serde_json::to_string(selection).expect("a selection is numbers and names").into();
    about["taught_by"] = serde_json::to_value(what.taught_by).expect("a hash is text");
    let training =
        Training { data: calibration, config, objective, regularization: &regularization, settings: &about };
    Ok(training.run(model, progress)?)
}

/// The dense model to learn from, where that is asked for, its channels in the order of the model that is
/// trained where they are compared.
fn teacher<M: CausalLm>(
    what: &Regularized<'_, M>,
    stream_factor: f64,
    calibration: &Calibration,
    settings: &RegularizeConfig,
    progress: &dyn Progress,
) -> Result<Option<Teacher<M>>, Error> {
    let (Some(distill), Some(dense)) = (settings.distill, what.dense.clone()) else { return Ok(None) };
    let streams = distill.compares_streams();
    let teacher = match streams {
        true => showing_streams(dense, &what.plan.selection)?.with_stream_factor(stream_factor),
        false => Teacher::new(dense, Vec::new(), 0),
    };
    Ok(Some(match settings.train.run_dir.as_ref().filter(|_| distill.cache) {
        Some(directory) => {
            let path = RunDirectory::at(directory).teacher_cache();
            teacher.cached(calibration, streams, &path, settings.train.replace_other_run, progress)?
        }
        None => teacher,
    }))
}

/// A teacher that shows the layers and the channels that stay of it.
fn showing_streams<M: CausalLm>(dense: M, selection: &Selection) -> Result<Teacher<M>, Error> {
    let layers = match selection.get(Axis::Depth) {
        Some(depth) => depth.kept(),
        None => (0..dense.num_layers()).collect(),
    };
    Ok(match selection.get(Axis::Residual) {
        None => {
            let width = dense.coupling().axis(Axis::Residual)?.len;
            Teacher::new(dense, layers, width)
        }
        Some(residual) => {
            let only = Selection::new().with(Axis::Residual, residual.clone());
            Teacher::new(permute(centre_for(dense, &only), &only)?, layers, residual.kept_len())
        }
    })
}

/// Slices a selection out of a model in memory.
struct Selected(Selection);

impl<M: CausalLm> Slicer<M> for Selected {
    fn slice(&self, model: M) -> Result<M, dress_core::Error> {
        let mut reindex = Reindex::slicing(&model, &model.coupling(), &self.0)?;
        parameters::map(model, &mut reindex).resized(&self.0)
    }

    fn edits(&self, model: &M) -> Result<BTreeMap<String, TensorEdit>, dress_core::Error> {
        Ok(Reindex::slicing(model, &model.coupling(), &self.0)?.into_edits())
    }
}
