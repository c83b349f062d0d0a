//! One run on one checkpoint of which one layer at a time is in memory.

use crate::part_file::PartsOfOneRun;
use crate::{Error, PartFile, PruneJob, PruneResult, ResultFile};
use dress_core::burn::tensor::Device;
use dress_core::{
    Basis, Calibration, CausalLm, KeptOfKind, Part, Parts, Progress, SlicePlan, Unit, parameters,
};
use dress_models::checkpoint::{SaveByParts, SaveReport};
use dress_models::{AnyModel, Checkpoint, CheckpointParts, LoadConfig, SaveConfig, published_name};
use dress_prune::{
    FinishedLayers, LayerReport, LocalByParts, LocalError, PruneReport, RegularizedLayer, axes,
    plan_of_scores,
};
use dress_train::RunDirectory;
use serde_json::Value;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A [`PruneJob`] that regularizes one layer at a time, with one layer in memory: all layers, or some of them
/// on this machine and the others elsewhere.
///
/// # Examples
/// ```
/// use dress::prune::LocalInputs;
/// use dress::train::RunDirectory;
/// use dress::{
///     AxisKind, Checkpoint, Corpus, CorpusFormat, HowMuch, LoadConfig, NoProgress, PruneByParts, PruneJob, Ratio, Recipe,
///     device, join,
/// };
///
/// # let models = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models"));
/// # let place = tempfile::tempdir()?;
/// # let (model, text) = (models.join("llama2-kjv"), models.join("kjv/calibration.txt"));
/// # let (parts, smaller) = ([place.path().join("low"), place.path().join("high")], place.path().join("smaller"));
/// let mut recipe = Recipe::new(vec![AxisKind::Ffn], HowMuch::Ratios(vec![Ratio::new(0.25)?]));
/// if let Some(regularize) = &mut recipe.regularize {
///     regularize.local = Some(LocalInputs::Dense);
/// }
/// # (recipe.sampling.samples, recipe.sampling.seqlen) = (4, Some(16));
/// // Two machines would do one of these each.
/// for (layers, part) in [(0..2, &parts[0]), (2..3, &parts[1])] {
///     let directory = RunDirectory::at(part);
///     let recipe = recipe.clone().in_directory(&directory);
///     let checkpoint = Checkpoint::open(&model)?;
///     let job = PruneJob::new(checkpoint, &recipe, LoadConfig::default(), device::parse("cpu")?)?;
///     let calibration = job.calibration(&Corpus::read(&text, CorpusFormat::Auto)?)?;
///     let run = PruneByParts::new(&job, &calibration, None, &NoProgress)?;
///     run.run(layers, &directory, None, &NoProgress)?;
/// }
/// let joined = join(&Checkpoint::open(&model)?, &parts, &smaller, false, None, &NoProgress)?;
/// assert!(joined.result.result.parameters < joined.result.result.parameters_before);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PruneByParts<'a> {
    job: &'a PruneJob,
    parts: CheckpointParts,
    calibration: &'a Calibration,
    plan: SlicePlan,
    /// Where streams of the dense model are that were kept before.
    streams: Option<PathBuf>,
}

/// A checkpoint that was made from finished layers.
#[derive(Debug)]
pub struct Joined {
    /// How it came to be: what `dress.json` says.
    pub result: PruneResult,
    /// What was written.
    pub saved: SaveReport,
}

impl<'a> PruneByParts<'a> {
    /// Reads the headers of the job's checkpoint, and scores it one layer at a time unless there is a plan.
    /// `streams` is where those of the dense model were kept, if anywhere.
    ///
    /// # Errors
    /// [`LocalError::NotByLayers`] where the job needs the whole model at once, those of scoring, and those
    /// of opening the checkpoint.
    pub fn new(
        job: &'a PruneJob,
        calibration: &'a Calibration,
        streams: Option<PathBuf>,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        check(job)?;
        job.device().seed(job.resolved.config.seed);
        let parts = CheckpointParts::open(job.checkpoint.path(), job.load(), job.device())?;
        let plan = match &job.resolved.plan {
            Some(plan) if plan.fingerprint.is_known() => plan.clone(),
            // What is made of it is of these files alone: parts and streams of another checkpoint have to be told apart.
            Some(plan) => SlicePlan { fingerprint: parts.fingerprint()?, ..plan.clone() },
            None => scored(job, &parts, calibration, progress)?,
        };
        Ok(Self { job, parts, calibration, plan, streams })
    }

    /// What goes.
    pub fn plan(&self) -> &SlicePlan {
        &self.plan
    }

    /// Regularizes `layers`, each kept in the run's directory as it finishes. What was begun there before is
    /// gone on with.
    ///
    /// # Errors
    /// [`Error::NoSuchLayers`], those of [`PartFile::keep`] and of [`LocalByParts::run`].
    pub fn run(
        &self,
        layers: Range<usize>,
        directory: &RunDirectory,
        command: Option<String>,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        check_layers(&layers, self.parts.declared().num_layers())?;
        let (config, dtype) = (&self.job.resolved.config, self.job.load().dtype.dtype());
        let (plan, streams) = (&self.plan, self.streams.as_deref());
        let local = LocalByParts::new(&self.parts, plan, self.calibration, config, dtype, streams)?;
        let part = self.part(layers.clone(), local.key(), command)?;
        let replace = config.regularize.as_ref().is_some_and(|settings| settings.train.replace_other_run);
        part.keep(directory, replace)?;
        Ok(local.run(layers, progress)?)
    }

    fn part(&self, layers: Range<usize>, key: Value, command: Option<String>) -> Result<PartFile, Error> {
        let mut settings = self.job.resolved.config.clone();
        let declared = self.parts.declared();
        let device = dress_machine::device::name(self.job.device());
        let dtype = self.job.load().dtype.to_string();
        let left = dress_prune::parameters_left(declared, &self.plan.selection)?;
        let result = ResultFile {
            regularize: settings.regularize.take(),
            calibration: Some(self.calibration.provenance.clone()),
            command,
            ..ResultFile::of(self.plan.clone(), device, dtype, [parameters::count(declared), left])
        };
        let (format_version, model) = (PartFile::FORMAT, published_name(self.job.checkpoint.path()));
        Ok(PartFile { format_version, layers, key, result, model, settings })
    }
}

/// Refuses what needs more than one layer at a time.
fn check(job: &PruneJob) -> Result<(), Error> {
    let resolved = &job.resolved;
    let is_local = resolved.config.regularize.as_ref().is_some_and(|settings| settings.local.is_some());
    let refused = |error: LocalError| Error::from(dress_prune::Error::from(error));
    let what = match () {
        () if !is_local => return Err(refused(LocalError::NotLocal)),
        () if resolved.search.is_some() => "a search",
        () if resolved.rounds > 1 => "pruning in several rounds",
        () if !job.texts.is_empty() => "measuring on texts",
        () if resolved.config.basis != Basis::Identity => "another basis",
        () if resolved.plan.as_ref().is_some_and(|plan| plan.basis != Basis::Identity) => {
            "a plan in another basis"
        }
        () => return Ok(()),
    };
    Err(refused(LocalError::NotByLayers { what: what.into() }))
}

fn scored(
    job: &PruneJob,
    parts: &CheckpointParts,
    calibration: &Calibration,
    progress: &dyn Progress,
) -> Result<SlicePlan, Error> {
    let (criteria, config) = (&job.resolved.criteria, &job.resolved.config);
    let axes = axes(parts.declared(), &config.targets)?;
    let scores = criteria.score_by_parts(parts, calibration, &axes, progress)?;
    let data = criteria.needs_calibration().then(|| calibration.provenance.clone());
    let fingerprint = parts.fingerprint()?;
    Ok(plan_of_scores(parts.declared(), fingerprint, criteria.name(), data, &scores, config)?)
}

/// Checks that a model of `count` layers has `layers`.
///
/// # Errors
/// [`Error::NoSuchLayers`], of no layers too.
pub fn check_layers(layers: &Range<usize>, count: usize) -> Result<(), Error> {
    match layers.is_empty() || layers.end > count {
        true => Err(Error::NoSuchLayers { asked: layers.clone(), layers: count }),
        false => Ok(()),
    }
}

/// Puts the layers in `directories` together with all else of `checkpoint`, and writes the smaller checkpoint
/// at `place`. With `replace`, what is there goes. `command` is the one that `dress.json` says, where it is
/// not that of the first part.
///
/// # Errors
/// Those of reading parts ([`Error::NoPart`], [`Error::ForeignPart`], [`Error::LayerTwice`]),
/// [`Error::LayersMissing`], [`dress_core::Error::PlanForAnotherModel`], and those of [`SaveByParts`].
pub fn join(
    checkpoint: &Checkpoint,
    directories: &[PathBuf],
    place: &Path,
    replace: bool,
    command: Option<String>,
    progress: &dyn Progress,
) -> Result<Joined, Error> {
    let declared = checkpoint.declared();
    let parts = PartsOfOneRun::read(directories, declared.num_layers())?;
    let plan = parts.first.result.plan.clone();
    plan.check_fingerprint(checkpoint.fingerprint()?, &declared.coupling())?;
    let dtype = parts.first.result.dtype.parse().unwrap_or_default();
    let dense = CheckpointParts::open(checkpoint.path(), &LoadConfig { dtype }, &Device::flex())?;
    let key = parts.first.key.clone();
    let finished = FinishedLayers::new(&dense, &plan, &key);
    let missing = |&layer: &usize| {
        let is_there = parts.place(layer).is_some_and(|place| place.layer(layer).finished().exists());
        finished.goes(layer) && !is_there
    };
    let layers: Vec<usize> = (0..declared.num_layers()).filter(missing).collect();
    if !layers.is_empty() {
        return Err(Error::LayersMissing { layers });
    }
    let writing = Writing { checkpoint, dense: &dense, plan: &plan, finished, parts: &parts };
    let (saving, report) = writing.weights(place, replace, progress)?;
    let mut result = parts.first.into_result();
    let LayerReport { curve, compensation } = report;
    result.result.report = PruneReport { curve, compensation, ..PruneReport::default() };
    result.result.command = command.or(result.result.command);
    let kept = KeptOfKind::of(&plan.selection, &declared.coupling());
    let card = result.result.model_card(&kept).to_string();
    let saved = saving.with_files(result.files(), Some(card)).finish()?;
    Ok(Joined { result, saved })
}

/// What a joined checkpoint is written from.
struct Writing<'a> {
    checkpoint: &'a Checkpoint,
    dense: &'a CheckpointParts,
    plan: &'a SlicePlan,
    finished: FinishedLayers<'a, CheckpointParts>,
    parts: &'a PartsOfOneRun,
}

impl Writing<'_> {
    /// Writes the embedding, every layer and the head, a file each; with what happened on the way.
    fn weights(
        &self,
        place: &Path,
        replace: bool,
        progress: &dyn Progress,
    ) -> Result<(SaveByParts, LayerReport), Error> {
        let declared = self.dense.declared();
        let layers = declared.num_layers();
        let head_alone =
            |name: &str| declared.is_in_part(name, Part::Head) && !declared.is_in_part(name, Part::Embedding);
        let has_head = parameters::list(declared).iter().any(|parameter| head_alone(&parameter.name));
        let files = 1 + layers + usize::from(has_head);
        let config = SaveConfig {
            target: self.parts.first.settings.stock,
            source: Some(self.checkpoint.path().into()),
            force: replace,
            keep: true,
            ..SaveConfig::default()
        };
        let smaller = declared.clone().resized(&self.plan.selection)?;
        let mut saving = SaveByParts::begin(&smaller, place, config, files)?;
        let stage = progress.begin("joining", Unit::Layers, layers as u64);
        let in_embedding = |name: &str| declared.is_in_part(name, Part::Embedding);
        saving.add(&self.dense.filled(&in_embedding)?, &|name| in_embedding(name).then(|| name.into()))?;
        let mut report = LayerReport::default();
        for layer in 0..layers {
            let RegularizedLayer { model, report: of_layer } = self.layer(layer)?;
            let is_inside = |name: &str| parameters::layer_of(name) == Some(0);
            saving.add(&model, &|name| is_inside(name).then(|| parameters::in_layer(name, layer)))?;
            report.append(of_layer);
            stage.advance(1)?;
        }
        if has_head {
            saving.add(&self.dense.filled(&head_alone)?, &|name| head_alone(name).then(|| name.into()))?;
        }
        Ok((saving, report))
    }

    fn layer(&self, layer: usize) -> Result<RegularizedLayer<AnyModel>, Error> {
        // Nothing is looked for in the directory of a layer that loses nothing.
        let place = self.parts.place(layer).unwrap_or_else(|| RunDirectory::at(""));
        let found = self.finished.layer(layer, &place)?;
        found.ok_or(Error::LayersMissing { layers: vec![layer] })
    }
}
