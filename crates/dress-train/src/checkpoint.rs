//! Where a run can go on from after it was killed.

use crate::contents;
use crate::curve::CurveFile;
use crate::run_directory::{BEST, MODEL, OPTIMIZER, POSITION, RunDirectory, steps_of};
use crate::settings_difference::differences;
use crate::{CheckpointEvery, CurvePoint, Cut, Error};
use dress_core::burn::module::{Module, Param};
use dress_core::burn::optim::ModuleOptimizer;
use dress_core::burn::tensor::Tensor;
use dress_core::parameters::{self, Layout, ParameterVisitor};
use dress_core::{Calibration, CausalLm, files};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FORMAT: u32 = 3;

/// With [`CheckpointEvery::Spaced`], no more than this goes by without a checkpoint.
const LONG: Duration = Duration::from_secs(30);

/// With [`CheckpointEvery::Spaced`], how often as long as the latest took to write the next is away at least.
const WORTH: u32 = 20;

/// What makes a run the same run: its settings, and SHA-256 of the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunKey {
    settings: Value,
    data: String,
    model: String,
}

/// How far a run had come. Everything that is drawn follows from the seed and the step, so that no state of a
/// generator is needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    format: u32,
    key: RunKey,
    /// Steps that are done.
    pub steps: usize,
    /// Tokens that were seen.
    pub tokens: u64,
    /// Where the model was sliced, if it was.
    pub cut: Option<Cut>,
    /// Looks at held-out blocks since the best, and what the best was.
    pub looks: Option<(usize, f64)>,
}

/// The checkpoints of one run, in directories `checkpoint-STEPS` that are complete or not there.
pub(crate) struct Checkpoints {
    directory: RunDirectory,
    every: CheckpointEvery,
    key: RunKey,
    latest: Latest,
}

/// After how many steps the latest was written, when, and how long that took.
struct Latest {
    steps: usize,
    at: Instant,
    took: Duration,
}

/// What a checkpoint consists of.
pub(crate) struct Snapshot<'a, M> {
    pub model: &'a M,
    pub optimizer: &'a ModuleOptimizer,
    pub best: Option<&'a M>,
    pub curve: &'a [CurvePoint],
}

impl RunKey {
    /// The key of a run with these settings, on this data, from this model.
    pub fn new<M: CausalLm>(settings: Value, data: &Calibration, model: &M) -> Self {
        struct Weights(Sha256);
        impl ParameterVisitor for Weights {
            fn visit<const D: usize>(&mut self, name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
                let value = parameter.val().without_autodiff().into_data();
                self.0.update(format!("{name}{:?}", value.shape()));
                self.0.update(value.as_bytes());
            }
        }
        let mut weights = Weights(Sha256::new());
        parameters::visit(model, &mut weights);
        let model = weights.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { settings, data: data.sha256(), model }
    }

    /// What the run that left `other` differs in, if in anything.
    fn differs(&self, other: &Self) -> Option<String> {
        let [there, here] = [&other.settings, &self.settings].map(as_written_today);
        if there != here {
            let found = differences(&there, &here).into_iter().map(in_words);
            return Some(format!("other settings ({})", found.collect::<Vec<_>>().join(", ")));
        }
        let pairs = [(OTHER_DATA, &self.data, &other.data), (OTHER_MODEL, &self.model, &other.model)];
        pairs.into_iter().find(|(_, a, b)| a != b).map(|(what, ..)| what.into())
    }
}

/// What is said of other blocks, by the settings that they follow from.
const OTHER_DATA: &str = "other data (`calibration`, `samples`, `seqlen`, `draw` or `seed`)";

/// What is said of other weights at the start.
const OTHER_MODEL: &str = "another model (`model`, its `dtype` or the `basis`)";

/// A difference by the settings that it follows from, where it has no name that anybody gave.
fn in_words(difference: String) -> String {
    match difference.as_str() {
        "selection" => "what goes: `axes`, how much of them, `criteria` or `protected`".into(),
        _ => difference,
    }
}

/// The settings of a run, with those that are renamed since under their names of today, and of one layer's
/// text no path: earlier versions kept it, and the text's hashes say which text it is.
fn as_written_today(settings: &Value) -> Value {
    let mut settings = settings.clone();
    let kept = settings.pointer_mut("/train/gradient_checkpointing");
    if let Some(kept) = kept.filter(|kept| **kept == "blocks") {
        *kept = "layers".into();
    }
    if let Some(path) = settings.pointer_mut("/layer/plan/calibration/path") {
        *path = "".into();
    }
    settings
}

impl Checkpoints {
    pub fn new(directory: &Path, every: CheckpointEvery, key: RunKey) -> Self {
        let latest = Latest { steps: 0, at: Instant::now(), took: Duration::ZERO };
        Self { directory: RunDirectory::at(directory), every, key, latest }
    }

    /// Whether there is to be one after `steps` of `total` steps.
    pub fn is_due(&self, steps: usize, total: usize) -> bool {
        let due = match self.every {
            CheckpointEvery::Steps(every) => steps.is_multiple_of(every),
            CheckpointEvery::Spaced => {
                let (done, since) = (steps.saturating_sub(self.latest.steps), self.latest.at.elapsed());
                (done >= total.div_ceil(10) || since >= LONG) && since >= self.latest.took * WORTH
            }
        };
        due && steps < total
    }

    /// Writes one, and then removes those before it.
    pub fn write<M: CausalLm>(
        &mut self,
        snapshot: Snapshot<'_, M>,
        mut position: Position,
    ) -> Result<(), Error> {
        let began = Instant::now();
        position.key = self.key.clone();
        let (partial, replaced) = (self.directory.checkpoint_partial(), self.directory.checkpoint_replaced());
        let io = |cause| Error::Io { path: partial.clone(), cause };
        let failed = |reason: &dyn std::fmt::Display| Error::Save {
            path: partial.clone(),
            reason: reason.to_string(),
        };
        for left in [&partial, &replaced] {
            remove(left)?;
        }
        fs::create_dir_all(&partial).map_err(io)?;
        save(snapshot.model, &partial.join(MODEL)).map_err(|error| failed(&error))?;
        snapshot.optimizer.save(partial.join(OPTIMIZER)).map_err(|error| failed(&error))?;
        if let Some(best) = snapshot.best {
            save(best, &partial.join(BEST)).map_err(|error| failed(&error))?;
        }
        CurveFile::create(&partial, snapshot.curve)?;
        let text = serde_json::to_string_pretty(&position).expect("a position is numbers and texts");
        fs::write(partial.join(POSITION), text).map_err(io)?;
        contents::write(&partial)?;
        let before = self.all()?;
        files::place_directory(&partial, &self.place(position.steps), &replaced).map_err(io)?;
        remove(&replaced)?;
        for (_, old) in before.into_iter().filter(|(steps, _)| *steps != position.steps) {
            remove(&old)?;
        }
        self.latest = Latest { steps: position.steps, at: Instant::now(), took: began.elapsed() };
        Ok(())
    }

    /// Goes on from the latest that was read: the next is that much later.
    pub fn goes_on_from(&mut self, steps: usize) {
        self.latest.steps = steps;
    }

    /// Whether the latest that there is is this run's: it wrote one, or goes on from one.
    pub fn are_own(&self) -> bool {
        self.latest.steps > 0
    }

    /// Removes all that there are.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn discard(&self) -> Result<(), Error> {
        self.all()?.iter().try_for_each(|(_, path)| remove(path))
    }

    /// The latest that there is, of this very run.
    ///
    /// # Errors
    /// [`Error::AnotherRun`] where it is of another, and [`Error::Checkpoint`] where it is not what was
    /// written.
    pub fn latest(&self) -> Result<Option<(PathBuf, Position)>, Error> {
        let Some((_, path)) = self.all()?.pop() else { return Ok(None) };
        let unreadable = |reason: String| Error::Checkpoint { path: path.clone(), reason };
        let file = path.join(POSITION);
        let text = fs::read_to_string(&file).map_err(|error| unreadable(error.to_string()))?;
        let value: Value = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        if value["format"] != FORMAT {
            return Err(unreadable(format!("format {}, this version reads {FORMAT}", value["format"])));
        }
        contents::check(&path)?;
        let position: Position =
            serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))?;
        match self.key.differs(&position.key) {
            Some(what) => Err(Error::AnotherRun { path: self.directory.path().into(), what }),
            None => Ok(Some((path, position))),
        }
    }

    /// Every complete checkpoint, the latest last.
    fn all(&self) -> Result<Vec<(usize, PathBuf)>, Error> {
        let Ok(entries) = fs::read_dir(self.directory.path()) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(|cause| Error::Io { path: self.directory.path().into(), cause })?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            found.extend(steps_of(name).map(|steps| (steps, path.clone())));
        }
        found.sort();
        Ok(found)
    }

    fn place(&self, steps: usize) -> PathBuf {
        self.directory.checkpoint(steps)
    }
}

impl Position {
    /// A position without a key, which [`Checkpoints::write`] adds.
    pub fn new(steps: usize, tokens: u64, cut: Option<Cut>, looks: Option<(usize, f64)>) -> Self {
        let key = RunKey { settings: Value::Null, data: String::new(), model: String::new() };
        Self { format: FORMAT, key, steps, tokens, cut, looks }
    }
}

/// Removes a directory, if it is there.
fn remove(directory: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(directory) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(Error::Io { path: directory.into(), cause }),
        _ => Ok(()),
    }
}

/// Writes the weights of `model` to a file that [`load_weights`] reads. It gets its name when all of it is on
/// the disk.
///
/// # Errors
/// [`Error::Save`] and [`Error::Io`].
pub fn save_weights<M: Module>(model: &M, path: &Path) -> Result<(), Error> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(|cause| Error::Io { path: directory.into(), cause })?;
    }
    save(model, path).map_err(|reason| Error::Save { path: path.into(), reason })
}

/// `model` with the weights that [`save_weights`] wrote of a model of the same shape.
///
/// # Errors
/// [`Error::Checkpoint`].
pub fn load_weights<M: Module>(model: M, path: &Path) -> Result<M, Error> {
    load(model, path)
}

fn save<M: Module>(model: &M, path: &Path) -> Result<(), String> {
    model.valid().save_file(path).map_err(|error| error.to_string())
}

/// `model` with the weights in a file of a checkpoint, and the parameters' ids of the run that wrote it.
pub(crate) fn load<M: Module>(model: M, path: &Path) -> Result<M, Error> {
    model
        .try_load_file(path)
        .map_err(|error| Error::Checkpoint { path: path.into(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_that_was_begun_under_another_name_of_a_setting_is_the_same_run() {
        let key = |name: &str| RunKey {
            settings: json!({"train": {"gradient_checkpointing": name, "epochs": 1}}),
            data: "0".into(),
            model: "1".into(),
        };
        assert_eq!(key("layers").differs(&key("blocks")), None);
        let other = RunKey { data: "2".into(), ..key("layers") };
        assert!(key("layers").differs(&other).unwrap().contains("`samples`"), "it follows from settings too");
        let selected = |what: &str| RunKey { settings: json!({ "selection": what }), ..key("layers") };
        let said = selected(&"0".repeat(99)).differs(&selected("1")).unwrap();
        assert!(said.contains("`axes`, how much of them") && !said.contains("selection"), "{said}");
        let said = key("layers").differs(&key("none")).unwrap();
        assert!(said.contains("train.gradient_checkpointing none there and layers here"), "{said}");
    }

    #[test]
    fn the_run_of_a_layer_is_the_same_wherever_its_text_lay() {
        let key = |path: &str, sha256: &str| RunKey {
            settings: json!({"layer": {"plan": {"calibration": {"path": path, "sha256": sha256}}}}),
            data: "0".into(),
            model: "1".into(),
        };
        assert_eq!(key("", "0123").differs(&key("/home/me/a.txt", "0123")), None);
        let said = key("", "0123").differs(&key("/home/me/a.txt", "4567")).unwrap();
        assert!(said.contains("sha256") && !said.contains("path"), "{said}");
    }
}
