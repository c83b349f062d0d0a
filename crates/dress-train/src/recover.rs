//! Recovery fine-tuning of a model that was sliced.

use crate::{
    Distillation, DistillationConfig, Error, LanguageModelling, LoraDropout, NoRegularization, Objective,
    Regularization, RunDirectory, Teacher, TrainConfig, Trainable, Trained, Training,
};
use dress_core::burn::tensor::DType;
use dress_core::{Calibration, CausalLm, Progress};
use serde::{Deserialize, Serialize};

/// Recovery fine-tuning (RFT).
///
/// This is what `dress recover` does: [`RecoverConfig::of_weights`] has the command's defaults, and the
/// command only sets fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecoverConfig {
    /// How much the dense model's distribution counts, where there is a dense model. Its residual stream is
    /// not looked at.
    pub distill: DistillationConfig,
    /// Compute the dense model's outputs once, to a file in the run's directory.
    pub cache: bool,
    /// The training's settings; [`Trainable::Lora`] trains low-rank factors.
    pub train: TrainConfig,
}

impl Default for RecoverConfig {
    /// The recommended settings for weights in f32, as checkpoints are loaded where nothing else is said.
    fn default() -> Self {
        Self::of_weights(DType::F32)
    }
}

impl RecoverConfig {
    /// The recommended settings for a model whose weights are of type `dtype`: low-rank factors, and all else
    /// as in [`TrainConfig::of_weights`].
    pub fn of_weights(dtype: DType) -> Self {
        let trainable = Trainable::Lora(Default::default());
        let train = TrainConfig { trainable, ..TrainConfig::of_weights(dtype) };
        Self { distill: DistillationConfig::default(), cache: false, train }
    }

    /// The same, kept in `directory` while it goes on. A run with these settings that was interrupted goes on
    /// from there.
    #[must_use]
    pub fn in_directory(mut self, directory: &RunDirectory) -> Self {
        self.train.run_dir = Some(directory.path().into());
        self
    }

    /// Checks that the settings make sense, which takes neither a model nor a text.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<(), Error> {
        self.distill.check()?;
        if self.distill.hidden > 0.0 {
            let expected = "recovery compares distributions alone; it has to be 0";
            let value = self.distill.hidden;
            return Err(Error::Setting { setting: "distill_hidden", value, expected });
        }
        self.train.check()
    }
}

/// Trains `model` on `data`, and on what `dense` says of it where there is one. Factors are merged in the
/// end, so that what is left is an ordinary model.
///
/// # Errors
/// Those of [`Training::run`]; [`Error::Setting`] where the residual stream is to be compared,
/// [`Error::TeacherCannotRead`] and [`Error::TeacherVocabulary`] where `dense` is not one to learn from.
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Calibration, NoProgress};
/// use dress_train::{RecoverConfig, recover};
///
/// let data = Calibration::from_blocks(vec![vec![1, 2, 3, 4], vec![5, 6, 7, 8]]);
/// // From the dense model's distribution as well as from the text; here the two are one model.
/// let recovered = recover(model.clone(), Some(model), &data, &RecoverConfig::default(), &NoProgress)?;
/// assert!(recovered.curve.iter().all(|point| point.distillation.is_some()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn recover<M: CausalLm>(
    model: M,
    dense: Option<M>,
    data: &Calibration,
    config: &RecoverConfig,
    progress: &dyn Progress,
) -> Result<Trained<M>, Error> {
    config.check()?;
    if let Some(dense) = &dense {
        data.check(dense).map_err(|cause| Error::TeacherCannotRead { cause })?;
        let (teacher, student) = (dense.vocab_size(), model.vocab_size());
        if teacher != student {
            return Err(Error::TeacherVocabulary { teacher, student });
        }
    }
    let teacher = dense.map(|dense| Teacher::new(dense, Vec::new(), 0));
    let cache = config.train.run_dir.as_ref().filter(|_| config.cache);
    let teacher = match (teacher, cache) {
        (Some(teacher), Some(directory)) => {
            let (path, replace) =
                (RunDirectory::at(directory).teacher_cache(), config.train.replace_other_run);
            Some(teacher.cached(data, false, &path, replace, progress)?)
        }
        (teacher, _) => teacher,
    };
    let distillation = teacher.as_ref().map(|teacher| Distillation { teacher, config: config.distill });
    let objective: &dyn Objective<M> = match &distillation {
        Some(distillation) => distillation,
        None => &LanguageModelling,
    };
    let dropout = match &config.train.trainable {
        Trainable::Lora(lora) => LoraDropout(lora.dropout),
        Trainable::All => LoraDropout(0.0),
    };
    let regularization: &dyn Regularization<M> = if dropout.0 > 0.0 { &dropout } else { &NoRegularization };
    let mut settings = serde_json::to_value(config).expect("settings are numbers and names");
    settings["taught_by"] = teacher.as_ref().map(|teacher| teacher.fingerprint().as_str()).into();
    Training { data, config: &config.train, objective, regularization, settings: &settings }
        .run(model, progress)
}
