//! A run to be: what it is checked for, and where it begins or goes on.

use crate::batches::{Batches, split};
use crate::checkpoint::{Checkpoints, RunKey};
use crate::diverged::Judge;
use crate::early_stopping::Watch;
use crate::run::{Run, Trained};
use crate::{
    Error, GradientCheckpointing, LanguageModelling, Objective, Regularization, StepInfo, TrainConfig,
};
use dress_core::burn::tensor::{GradientCheckpointingStrategy, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{Calibration, CausalLm, Progress};
use serde_json::Value;
use std::time::Instant;

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
    /// Whatever decides the run beside its data, its model and [`Training::config`], by name: a checkpoint of
    /// a run with others is refused.
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

impl<'a, M: CausalLm> Training<'a, M> {
    /// Trains `model`.
    ///
    /// # Errors
    /// [`Error::NoData`], [`Error::NothingHeldOut`], [`Error::Core`] where the blocks do not fit the model,
    /// [`Error::Setting`], [`Error::Diverged`] where a number stops being finite and [`Error::Lost`] where
    /// the model ends far worse than it began, [`Error::AnotherRun`] and [`Error::Checkpoint`] where the
    /// run's directory holds what cannot be gone on with, and [`Error::Io`].
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
                (trained, Some(Watch::new(settings, held_out)))
            }
        };
        let (total, peak) = (self.config.steps(trained.len()), self.config.learning_rate.peak);
        self.config.check_steps(total)?;
        let checkpoints = self.checkpoints(&model);
        let begin = StepInfo::new(0, total, self.config.learning_rate.at(0, total));
        let removes = self.regularization.selected_norm(&model, &begin) > 0.0;
        let judge = Judge::new(&model, self.objective.scale(&model), total, peak, removes);
        let model = self.config.trainable.attach(on_graph(model, self.config), self.config.seed)?;
        let mut run = self.begin(trained, &model, watch, judge);
        let resumed = match checkpoints.as_ref().map_or(Ok(None), Checkpoints::latest) {
            Err(error) if self.begins_anew_after(&error) => {
                warn_of_new_beginning(&error);
                None
            }
            latest => latest?,
        };
        let (model, start) = match resumed {
            Some((path, position)) => {
                let untrained = self.config.replace_other_run.then(|| model.clone());
                match (run.resume(model, &path, &position), untrained) {
                    // Its files are what was written, by another version of what reads weights.
                    (Err(error @ Error::Checkpoint { .. }), Some(model)) => {
                        warn_of_new_beginning(&error);
                        (model, 0)
                    }
                    (resumed, _) => resumed?,
                }
            }
            None => (model, 0),
        };
        run.checkpoints = checkpoints;
        if let Some(checkpoints) = &mut run.checkpoints {
            checkpoints.goes_on_from(start);
        }
        run.all_steps(model, start, progress)
    }

    /// The run before its first step.
    fn begin(&self, trained: Vec<usize>, model: &M, watch: Option<Watch<M>>, judge: Judge) -> Run<'a, M> {
        let config = self.config;
        let (per_step, seed) = (config.batch_size * config.accumulation, config.seed);
        let first = Batches::new(trained.clone(), per_step, seed).next_step();
        Run {
            data: self.data,
            config,
            objective: self.objective,
            regularization: self.regularization,
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

    /// Whether the run does without a checkpoint that cannot be gone on from.
    fn begins_anew_after(&self, error: &Error) -> bool {
        self.config.replace_other_run && matches!(error, Error::AnotherRun { .. } | Error::Checkpoint { .. })
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

/// Says that a run goes on from nothing. What is there stays until there is a checkpoint of this run.
fn warn_of_new_beginning(error: &Error) {
    tracing::warn!("{error}; begun anew, as `force` says");
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
