//! The loop.

use crate::batches::{Batches, blocks_at, split};
use crate::checkpoint::{self, Checkpoints, Position, RunKey, Snapshot};
use crate::clip::{gradient_norm, scale};
use crate::curve::CurveFile;
use crate::divergence::{self, Found, Judge};
use crate::early_stopping::Watch;
use crate::gradients::StepGradients;
use crate::optimizer_state_device::reading_to;
use crate::run_directory::{BEST, LAST_GOOD, MODEL, OPTIMIZER, RunDirectory};
use crate::slicing_while_training::{Cut, logits_moved, sliced_state};
use crate::step_objective::StepObjective;
use crate::{
    Batch, CurvePoint, Error, GradientCheckpointing, LanguageModelling, NoRegularization, Objective,
    Regularization, Saved, Slicer, StepInfo, TrainConfig,
};
use dress_core::burn::module::Param;
use dress_core::burn::optim::ModuleOptimizer;
use dress_core::burn::tensor::{DType, GradientCheckpointingStrategy, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper, ParameterVisitor};
use dress_core::{Calibration, CausalLm, Progress, Tap, Unit};
use serde_json::Value;
use std::path::{Path, PathBuf};
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

/// A run to be.
pub struct Training<'a, M: CausalLm> {
    /// What is trained on.
    pub data: &'a Calibration,
    /// The settings.
    pub config: &'a TrainConfig,
    /// What is minimised.
    pub objective: &'a dyn Objective<M>,
    /// What is done about the weights.
    pub regularization: &'a dyn Regularization<M>,
    /// Whatever decides the run beside its data, its model and [`Training::config`], by name: a checkpoint of a run with
    /// others is refused.
    pub settings: &'a Value,
}

/// Minimises the next-token loss plus what `regularization` adds, over the blocks of `data`.
///
/// # Errors
/// As [`Training::run`].
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Calibration, NoProgress};
/// use dress_train::{NoRegularization, TrainConfig, train};
///
/// let data = Calibration::from_blocks(vec![vec![1, 2, 3, 4], vec![5, 6, 7, 8]]);
/// let config = TrainConfig { epochs: 5, ..TrainConfig::default() };
/// let trained = train(model, &data, &config, &NoRegularization, &NoProgress)?;
/// assert_eq!(trained.curve.len(), 10);
/// assert!(trained.curve[9].loss.is_finite());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn train<M: CausalLm>(
    model: M,
    data: &Calibration,
    config: &TrainConfig,
    regularization: &dyn Regularization<M>,
    progress: &dyn Progress,
) -> Result<Trained<M>, Error> {
    let objective = &LanguageModelling;
    Training { data, config, objective, regularization, settings: &Value::Null }.run(model, progress)
}

impl<M: CausalLm> Training<'_, M> {
    /// Trains `model`.
    ///
    /// # Errors
    /// [`Error::NoData`], [`Error::NothingHeldOut`], [`Error::Core`] where the blocks do not fit the model,
    /// [`Error::Setting`], [`Error::Diverged`] where a number stops being finite and [`Error::Lost`] where the model ends
    /// far worse than it began, [`Error::AnotherRun`] and [`Error::Checkpoint`] where the run's directory holds what cannot be gone on with, and [`Error::Io`].
    pub fn run(&self, model: M, progress: &dyn Progress) -> Result<Trained<M>, Error> {
        self.config.check()?;
        if self.data.blocks.is_empty() {
            return Err(Error::NoData);
        }
        self.data.require(&model, "training")?;
        let blocks = self.data.blocks.len();
        let (trained, watch) = match self.config.early_stopping {
            None => ((0..blocks).collect(), None),
            Some(_) if blocks < 2 => return Err(Error::NothingHeldOut { blocks }),
            Some(settings) => {
                let (trained, held_out) = split(blocks, settings.holdout, self.config.seed);
                (trained, Some(Watch::new(settings, blocks_at(self.data, &held_out).0)))
            }
        };
        self.config.check_steps(trained_steps(self.config, &trained))?;
        let checkpoints = self.checkpoints(&model);
        let (total, peak) = (trained_steps(self.config, &trained), self.config.learning_rate.peak);
        let begin = StepInfo::new(0, total, self.config.learning_rate.at(0, total));
        let removes = self.regularization.selected_norm(&model, &begin) > 0.0;
        let judge = Judge::new(&model, total, peak, removes);
        let model = self.config.trainable.attach(on_graph(model, self.config), self.config.seed)?;
        let mut run = Run::new(self, trained, &model, watch, judge);
        let resumed = checkpoints.as_ref().map(|all| self.resumed(all)).transpose()?.flatten();
        let (model, start) = match resumed {
            Some((path, position)) => run.resume(model, &path, &position)?,
            None => (model, 0),
        };
        run.checkpoints = checkpoints;
        if let Some(checkpoints) = &mut run.checkpoints {
            checkpoints.goes_on_from(start);
        }
        run.all_steps(model, start, progress)
    }

    /// The checkpoint to go on from, if there is one.
    fn resumed(&self, checkpoints: &Checkpoints) -> Result<Option<(PathBuf, Position)>, Error> {
        match checkpoints.latest() {
            Err(Error::AnotherRun { .. } | Error::Checkpoint { .. }) if self.config.replace_other_run => {
                checkpoints.discard()?;
                Ok(None)
            }
            latest => latest,
        }
    }

    /// Where this run leaves its checkpoints, if it does.
    fn checkpoints(&self, model: &M) -> Option<Checkpoints> {
        let (directory, every) = self.config.run_dir.as_ref().zip(self.config.checkpoint_every)?;
        let config = serde_json::to_value(self.config).expect("settings are numbers and names");
        let mut settings = match self.settings {
            Value::Object(settings) => settings.clone(),
            Value::Null => Default::default(),
            other => [("settings".into(), other.clone())].into_iter().collect(),
        };
        settings.insert("train".into(), config);
        let key = RunKey::new(settings.into(), self.data, model);
        Some(Checkpoints::new(directory, every, key))
    }
}

fn trained_steps(config: &TrainConfig, trained: &[usize]) -> usize {
    config.steps(trained.len())
}

/// `model` ready to be trained.
fn on_graph<M: CausalLm>(model: M, config: &TrainConfig) -> M {
    struct Recompute;
    impl ParameterMapper for Recompute {
        fn map<const D: usize>(&mut self, _name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
            value.with_gradient_checkpointing_strategy(GradientCheckpointingStrategy::Balanced)
        }
    }
    let model = model.train();
    if config.gradient_checkpointing == GradientCheckpointing::Operations {
        parameters::derive(&model, &mut Recompute)
    } else {
        model
    }
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

struct Run<'a, M: CausalLm> {
    data: &'a Calibration,
    config: &'a TrainConfig,
    objective: &'a dyn Objective<M>,
    regularization: &'a dyn Regularization<M>,
    optimizer: ModuleOptimizer,
    batches: Batches,
    total: usize,
    tokens: u64,
    began: Instant,
    curve: Vec<CurvePoint>,
    file: Option<CurveFile>,
    cut: Option<Cut>,
    watch: Option<Watch<M>>,
    checkpoints: Option<Checkpoints>,
    judge: Judge,
    /// The places of the first step's blocks.
    first: Vec<usize>,
}

impl<'a, M: CausalLm> Run<'a, M> {
    fn new(
        training: &Training<'a, M>,
        trained: Vec<usize>,
        model: &M,
        watch: Option<Watch<M>>,
        judge: Judge,
    ) -> Self {
        let config = training.config;
        let (per_step, seed) = (config.batch_size * config.accumulation, config.seed);
        let first = Batches::new(trained.clone(), per_step, seed).next_step();
        Self {
            data: training.data,
            config,
            objective: training.objective,
            regularization: training.regularization,
            optimizer: config.optimizer.init(model, config.precision),
            total: config.steps(trained.len()),
            batches: Batches::new(trained, per_step, seed),
            tokens: 0,
            began: Instant::now(),
            curve: Vec::new(),
            file: None,
            cut: None,
            watch,
            checkpoints: None,
            judge,
            first,
        }
    }

    /// Goes on from a checkpoint: the model as it was there, and the steps that are done.
    fn resume(&mut self, model: M, path: &Path, position: &Position) -> Result<(M, usize), Error> {
        let model = match (position.cut, self.regularization.slicer()) {
            (Some(_), Some(slicer)) => self.sliced(model, slicer)?.1,
            _ => model,
        };
        let model = checkpoint::load(model, &path.join(MODEL))?;
        let optimizer = self.config.optimizer.init(&model, self.config.precision);
        let unreadable = |reason: String| Error::Checkpoint { path: path.into(), reason };
        let loaded = reading_to(&model.device(), || optimizer.load(path.join(OPTIMIZER)));
        self.optimizer = loaded.map_err(|error| unreadable(error.to_string()))?;
        (self.cut, self.tokens) = (position.cut, position.tokens);
        self.curve = CurveFile::read(path)?;
        if let Some((watch, looks)) = self.watch.as_mut().zip(position.looks) {
            watch.restore(looks, checkpoint::load(model.clone(), &path.join(BEST))?);
        }
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

    fn all_steps(mut self, mut model: M, start: usize, progress: &dyn Progress) -> Result<Trained<M>, Error> {
        let directory = self.config.run_dir.as_deref();
        self.file = directory.map(|directory| CurveFile::create(directory, &self.curve)).transpose()?;
        let stage = progress.begin("training", Unit::Steps, self.total as u64);
        stage.reuse(start as u64);
        for step in start..self.total {
            let info = StepInfo::new(step, self.total, self.config.learning_rate.at(step, self.total));
            let (next, mut point) = self.step(model, step, &info)?;
            model = next;
            if self.cut.is_none() && self.regularization().is_done(&info, point.selected_norm) {
                model = self.slice(model, step)?;
            }
            let stop = self.look(&model, step, &info, &mut point);
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

    /// Sees whether the run is lost, by the loss on the first step's blocks of the model as it is shown in a step, or as it is
    /// in the end. What is kept to go on from goes with a run that is lost.
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
        let found = Found { steps, loss: sum / self.first.len() as f64, norm: divergence::norm(&model) };
        self.judge.check(found, &self.curve).inspect_err(|_| {
            if let Some(checkpoints) = &self.checkpoints {
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
        let model = self.regularization().after_step(model, info);
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
        let slicing_error = logits_moved(&before.valid(), &after.valid(), &self.data.blocks[0]);
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
                    let io = |source| Error::Io { path: std::env::temp_dir(), source };
                    elsewhere = tempfile::tempdir().map_err(io)?;
                    elsewhere.path().into()
                }
            };
            self.optimizer = sliced_state(moved, fresh(), parameters, &edits, &after.device(), &scratch)?;
        }
        tracing::info!("sliced after step {}, which moved the logits by {slicing_error:.1e}", step + 1);
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
    fn look(&mut self, model: &M, step: usize, info: &StepInfo, point: &mut CurvePoint) -> bool {
        let regularization = self.regularization();
        let Some(watch) = self.watch.as_mut().filter(|watch| watch.is_due(step)) else { return false };
        let viewed = regularization.view(model, info);
        let tap = || -> Box<dyn Tap + '_> { regularization.tap(info) };
        let loss = watch.look(viewed.as_ref().unwrap_or(model), tap);
        point.held_out = Some(loss);
        regularization.may_stop(info, point.selected_norm) && watch.note(loss, model)
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

    /// The weights from before a step that is not taken, where they are good themselves; otherwise the latest checkpoint's.
    fn save_last_good(&self, model: M) -> Result<Saved, Error> {
        let Some(directory) = &self.config.run_dir else { return Ok(Saved::NoDirectory) };
        if !is_finite(&model) {
            let latest =
                self.checkpoints.as_ref().and_then(|checkpoints| checkpoints.latest().ok().flatten());
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
