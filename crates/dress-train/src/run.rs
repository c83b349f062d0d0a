//! The loop.

use crate::batches::{Batches, blocks_at};
use crate::checkpoint::{self, Checkpoints, Position, Snapshot};
use crate::clip::{gradient_norm, scale};
use crate::curve::CurveFile;
use crate::diverged::{self, Found, Judge};
use crate::early_stopping::Watch;
use crate::gradients::StepGradients;
use crate::optimizer_state_device::reading_to;
use crate::run_directory::{BEST, LAST_GOOD, MODEL, OPTIMIZER, RunDirectory};
use crate::slicing_while_training::{Cut, sliced_state};
use crate::step_objective::StepObjective;
use crate::{
    Batch, CurvePoint, Error, NoRegularization, Objective, Regularization, Saved, Slicer, StepInfo,
    TrainConfig,
};
use dress_core::burn::module::Param;
use dress_core::burn::optim::ModuleOptimizer;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout, ParameterVisitor};
use dress_core::{Calibration, CausalLm, Progress, Tap, Unit};
use std::path::Path;
use std::time::Instant;

/// What training leaves: the model, off the autodiff graph, and the curve.
#[derive(Debug)]
pub struct Trained<M> {
    /// The trained model.
    pub model: M,
    /// One point a step.
    pub curve: Vec<CurvePoint>,
    /// Where the model was sliced on the way, if it was.
    pub cut: Option<Cut>,
}

/// Whether every weight is a number.
fn is_finite<M: CausalLm>(model: &M) -> bool {
    struct Finite(bool);
    impl ParameterVisitor for Finite {
        fn visit<const D: usize>(&mut self, _name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
            let value = parameter.val().without_autodiff();
            self.0 = self.0 && value.is_finite().all().into_scalar::<bool>();
        }
    }
    let mut finite = Finite(true);
    parameters::visit(model, &mut finite);
    finite.0
}

/// A run that goes on.
pub(crate) struct Run<'a, M: CausalLm> {
    pub data: &'a Calibration,
    pub config: &'a TrainConfig,
    pub objective: &'a dyn Objective<M>,
    pub regularization: &'a dyn Regularization<M>,
    pub optimizer: ModuleOptimizer,
    pub batches: Batches,
    pub total: usize,
    pub tokens: u64,
    pub began: Instant,
    pub curve: Vec<CurvePoint>,
    pub file: Option<CurveFile>,
    pub cut: Option<Cut>,
    pub watch: Option<Watch<M>>,
    pub checkpoints: Option<Checkpoints>,
    pub judge: Judge,
    /// The places of the first step's blocks.
    pub first: Vec<usize>,
}

impl<'a, M: CausalLm> Run<'a, M> {
    /// Goes on from a checkpoint: the model as it was there, and the steps that are done. Where it cannot be
    /// read, the run is as it was.
    pub fn resume(&mut self, model: M, path: &Path, position: &Position) -> Result<(M, usize), Error> {
        let model = match (position.cut, self.regularization.slicer()) {
            (Some(_), Some(slicer)) => self.sliced(model, slicer)?.1,
            _ => model,
        };
        let model = checkpoint::load(model, &path.join(MODEL))?;
        let optimizer = self.config.optimizer.init(&model, self.config.precision);
        let unreadable = |reason: String| Error::Checkpoint { path: path.into(), reason };
        let loaded = reading_to(&model.device(), || optimizer.load(path.join(OPTIMIZER)));
        let optimizer = loaded.map_err(|error| unreadable(error.to_string()))?;
        let curve = CurveFile::read(path)?;
        if let Some((watch, looks)) = self.watch.as_mut().zip(position.looks) {
            watch.restore(looks, checkpoint::load(model.clone(), &path.join(BEST))?);
        }
        (self.optimizer, self.curve) = (optimizer, curve);
        (self.cut, self.tokens) = (position.cut, position.tokens);
        (0..position.steps).for_each(|_| drop(self.batches.next_step()));
        tracing::info!(
            target: "dress::resume",
            "goes on after step {} of {}, from {}",
            position.steps,
            self.total,
            path.display()
        );
        Ok((model, position.steps))
    }

    pub fn all_steps(
        mut self,
        mut model: M,
        start: usize,
        progress: &dyn Progress,
    ) -> Result<Trained<M>, Error> {
        let directory = self.config.run_dir.as_deref();
        self.file = directory.map(|directory| CurveFile::create(directory, &self.curve)).transpose()?;
        let a_step = self.config.batch_size.saturating_mul(self.config.accumulation);
        let tokens = a_step.saturating_mul(self.data.blocks.first().map_or(0, Vec::len));
        let stage = progress.begin("training", Unit::Steps, self.total as u64).of_tokens(tokens);
        stage.reuse(start as u64);
        for step in start..self.total {
            let info = StepInfo::new(step, self.total, self.config.learning_rate.at(step, self.total));
            let (next, mut point) = self.step(model, step, &info)?;
            model = next;
            if self.cut.is_none() && self.regularization().is_done(&info, point.selected_norm) {
                model = self.slice(model, step)?;
            }
            let stop = self.look(&model, step, &info, &mut point)?;
            self.push(point)?;
            if self.judge.is_suspicious(&self.curve) {
                self.judge(&model, step + 1, Some(&info))?;
            }
            if (step + 1) % self.total.div_ceil(10) == 0 {
                tracing::info!("step {} of {}: {}", step + 1, self.total, note(&point));
            }
            let told = stage.advance_with(1, Some(point.loss), &note(&point));
            self.checkpoint(&model, step + 1, told.is_err())?;
            told?;
            if stop {
                tracing::info!("stopped after step {}: the held-out blocks get no better", step + 1);
                break;
            }
        }
        drop(stage);
        let model = self.watch.take().and_then(Watch::into_best).unwrap_or(model);
        let settled = self.regularization().settle(self.config.trainable.merge(model)).valid();
        self.judge(&settled, self.curve.len(), None)?;
        Ok(Trained { model: settled, curve: self.curve, cut: self.cut })
    }

    /// Sees whether the run is lost, by the loss on the first step's blocks of the model as it is shown in a
    /// step, or as it is in the end. What is kept to go on from goes with a run that is lost.
    fn judge(&self, model: &M, steps: usize, info: Option<&StepInfo>) -> Result<(), Error> {
        let regularization = self.regularization();
        let viewed = info.and_then(|info| regularization.view(model, info)).map(|viewed| viewed.valid());
        let model = viewed.unwrap_or_else(|| model.valid());
        let (mut sum, mut none) = (0.0, dress_core::NoTap);
        for index in &self.first {
            let (blocks, _) = blocks_at(self.data, &[*index]);
            let tokens = Calibration::tensor(&blocks, &model.device());
            let batch = Batch { indices: &[*index], tokens };
            let mut tap = info.map(|info| regularization.tap(info));
            let tap: &mut dyn Tap = match &mut tap {
                Some(tap) => tap.as_mut(),
                None => &mut none,
            };
            let loss = self.objective.loss(&model, &batch, tap)?.language_modelling;
            sum += f64::from(loss.cast(DType::F32).into_scalar::<f32>());
        }
        let found = Found { steps, loss: sum / self.first.len() as f64, norm: diverged::norm(&model) };
        self.judge.check(found, &self.curve).inspect_err(|_| {
            if let Some(checkpoints) = self.own_checkpoints() {
                let _ = checkpoints.discard();
            }
        })
    }

    /// What is done about the weights: nothing any more once what was selected is sliced.
    fn regularization(&self) -> &'a dyn Regularization<M> {
        if self.cut.is_some() { &NoRegularization } else { self.regularization }
    }

    fn step(&mut self, model: M, step: usize, info: &StepInfo) -> Result<(M, CurvePoint), Error> {
        // Whatever is drawn in a step follows from the seed and the step.
        let seed = self.config.seed.wrapping_add(step as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        model.device().seed(seed);
        let chosen = self.batches.next_step();
        let objective = StepObjective {
            data: self.data,
            objective: self.objective,
            regularization: self.regularization(),
            config: self.config,
            seed,
        };
        let found = objective.gradients(&model, &chosen, info)?;
        let StepGradients { gradients, loss, penalty, distillation, tokens } = found;
        let norm = gradient_norm(&model, &gradients);
        let checked = [("loss", loss), ("penalty", penalty), ("gradient norm", norm)];
        if let Some((what, value)) = checked.into_iter().find(|(_, value)| !value.is_finite()) {
            return Err(Error::Diverged { step, what, value, saved: self.save_last_good(model)? });
        }
        let gradients = match self.config.clip_norm {
            Some(limit) if norm > limit => scale(&model, gradients, limit / norm),
            _ => gradients,
        };
        // Nothing else holds the weights here, so that the optimizer may change them in place.
        let model = self.optimizer.step(info.learning_rate, model, gradients);
        let model = self.regularization().after_step(model, info)?;
        self.tokens += tokens;
        let point = CurvePoint {
            step,
            tokens: self.tokens,
            loss,
            penalty,
            distillation,
            selected_norm: self.regularization().selected_norm(&model, info),
            gate: self.regularization.gate(info),
            held_out: None,
            gradient_norm: norm,
            learning_rate: info.learning_rate,
            seconds: self.began.elapsed().as_secs_f64(),
        };
        Ok((model, point))
    }

    /// Slices what contributes nothing any more, where there is something to slice it with.
    fn slice(&mut self, model: M, step: usize) -> Result<M, Error> {
        let Some(slicer) = self.regularization.slicer() else { return Ok(model) };
        let (before, after) = self.sliced(model, slicer)?;
        let slicing_error = self.objective.moved(&before.valid(), &after.valid(), self.data)?;
        let keeps_state = self.config.trainable.keeps_state();
        let known = keeps_state.then(|| Ok::<_, Error>((parameters::list(&before), slicer.edits(&before)?)));
        let known = known.transpose()?;
        drop(before);
        let fresh = || self.config.optimizer.init(&after, self.config.precision);
        let moved = std::mem::replace(&mut self.optimizer, fresh());
        if let Some((parameters, edits)) = known {
            let elsewhere;
            let scratch = match &self.config.run_dir {
                Some(directory) => RunDirectory::at(directory).slice_partial(),
                None => {
                    let io = |cause| Error::Io { path: std::env::temp_dir(), cause };
                    elsewhere = tempfile::tempdir().map_err(io)?;
                    elsewhere.path().into()
                }
            };
            self.optimizer = sliced_state(moved, fresh(), parameters, &edits, &after.device(), &scratch)?;
        }
        tracing::info!("sliced after step {}, which moved the output by {slicing_error:.1e}", step + 1);
        self.cut = Some(Cut { step, slicing_error });
        Ok(after)
    }

    /// `model` as it is now with everything in its weights, and the smaller one that goes on.
    fn sliced(&self, model: M, slicer: &dyn Slicer<M>) -> Result<(M, M), Error> {
        let before = self.regularization.settle(self.config.trainable.merge(model));
        let after = self.config.trainable.attach(slicer.slice(before.clone())?, self.config.seed)?;
        Ok((before, after))
    }

    /// Looks at the held-out blocks where that is due, and says whether to stop.
    fn look(
        &mut self,
        model: &M,
        step: usize,
        info: &StepInfo,
        point: &mut CurvePoint,
    ) -> Result<bool, Error> {
        let (regularization, objective, data) = (self.regularization(), self.objective, self.data);
        let Some(watch) = self.watch.as_mut().filter(|watch| watch.is_due(step)) else { return Ok(false) };
        let viewed = regularization.view(model, info);
        let tap = || -> Box<dyn Tap + '_> { regularization.tap(info) };
        let loss = watch.look(viewed.as_ref().unwrap_or(model), objective, data, tap)?;
        point.held_out = Some(loss);
        Ok(regularization.may_stop(info, point.selected_norm) && watch.note(loss, model))
    }

    fn push(&mut self, point: CurvePoint) -> Result<(), Error> {
        tracing::debug!(step = point.step, loss = point.loss, penalty = point.penalty, "step");
        self.curve.push(point);
        match &mut self.file {
            Some(file) => file.push(&point),
            None => Ok(()),
        }
    }

    /// Keeps what the run can be gone on from, where that is due or the run ends here.
    fn checkpoint(&mut self, model: &M, steps: usize, ends: bool) -> Result<(), Error> {
        // One that holds a NaN would take the place of one that can be gone on with.
        let due = |checkpoints: &&mut Checkpoints| {
            (ends || checkpoints.is_due(steps, self.total)) && is_finite(model)
        };
        let Some(checkpoints) = self.checkpoints.as_mut().filter(due) else { return Ok(()) };
        let watch = self.watch.as_ref();
        let position = Position::new(steps, self.tokens, self.cut, watch.and_then(Watch::looks));
        let best = watch.and_then(Watch::best);
        let snapshot = Snapshot { model, optimizer: &self.optimizer, best, curve: &self.curve };
        checkpoints.write(snapshot, position)
    }

    /// The checkpoints, where this run has one: until then others may be there, which it does not go on from.
    fn own_checkpoints(&self) -> Option<&Checkpoints> {
        self.checkpoints.as_ref().filter(|checkpoints| checkpoints.are_own())
    }

    /// The weights from before a step that is not taken, where they are good themselves; otherwise the latest
    /// checkpoint's.
    fn save_last_good(&self, model: M) -> Result<Saved, Error> {
        let Some(directory) = &self.config.run_dir else { return Ok(Saved::NoDirectory) };
        if !is_finite(&model) {
            let latest = self.own_checkpoints().and_then(|checkpoints| checkpoints.latest().ok().flatten());
            return Ok(latest.map_or(Saved::NoCheckpoint, |(path, position)| Saved::Checkpoint {
                path,
                steps: position.steps,
            }));
        }
        let path = directory.join(LAST_GOOD);
        let saved = model.valid().save_file(&path);
        saved.map_err(|error| Error::Save { path: path.clone(), reason: error.to_string() })?;
        Ok(Saved::Weights(path))
    }
}

fn note(point: &CurvePoint) -> String {
    let held_out = point.held_out.map_or(String::new(), |loss| format!(", held out {loss:.3}"));
    let distance = point.distillation.map_or(String::new(), |distance| format!(", teacher {distance:.3}"));
    let gate = if point.gate < 1.0 { format!(", gate {:.3}", point.gate) } else { String::new() };
    let norm = point.selected_norm;
    let selected = if norm > 0.0 { format!(", selected norm {norm:.2}") } else { String::new() };
    format!("loss {:.3}{distance}{selected}{gate}{held_out}", point.loss)
}
