//! `part.json`: what a part of a run over layers is of.

use crate::{Error, PruneResult, ResultFile};
use dress_core::files;
use dress_prune::{PruneConfig, layer_differences};
use dress_train::RunDirectory;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What a part of a run over layers is of, beside the layers in its directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartFile {
    /// The version of the file's format, [`PartFile::FORMAT`].
    pub format_version: u32,
    /// The layers, from 0: the first, and the one behind the last.
    pub layers: Range<usize>,
    /// All that a layer's result depends on beside its number.
    pub key: Value,
    /// What `dress.json` will say but for what happens on the way.
    pub result: ResultFile,
    /// The checkpoint that was read, as [`published_name`](dress_models::published_name) says it.
    pub model: String,
    /// Every setting but those of the regularization, which the result has.
    pub settings: PruneConfig,
}

impl PartFile {
    /// The version of the format that is written and read.
    pub const FORMAT: u32 = 1;

    /// What the part in `directory` is of.
    ///
    /// # Errors
    /// [`Error::NoPart`].
    pub fn read(directory: &Path) -> Result<Self, Error> {
        let no_part = |reason: String| Error::NoPart { path: directory.into(), reason };
        let path = RunDirectory::at(directory).part();
        let text = files::read(&path).map_err(|error| no_part(format!("{}: {error}", path.display())))?;
        let part: Self = serde_json::from_slice(&text).map_err(|error| no_part(error.to_string()))?;
        if part.format_version != Self::FORMAT {
            let (found, read) = (part.format_version, Self::FORMAT);
            return Err(no_part(format!("it is of format {found}, and this version reads {read}")));
        }
        Ok(part)
    }

    /// Keeps it in `directory`, where nothing is or the same part; with `replace`, whatever part is there.
    ///
    /// # Errors
    /// [`dress_train::Error::AnotherRun`] where another part is there, [`dress_train::Error::Checkpoint`]
    /// where what is there cannot be read, and [`dress_train::Error::Io`].
    pub fn keep(&self, directory: &RunDirectory, replace: bool) -> Result<(), Error> {
        let place = directory.part();
        if place.exists() && !replace {
            let there = Self::read(directory.path()).map_err(|error| match error {
                Error::NoPart { reason, .. } => {
                    Error::Train(dress_train::Error::Checkpoint { path: place.clone(), reason })
                }
                error => error,
            })?;
            // Written over, the layers that are there would be in no part.
            let layers = || (self.layers != there.layers).then(|| other_layers(&there.layers, &self.layers));
            if let Some(what) = self.differs(&there).or_else(layers) {
                let path = directory.path().into();
                return Err(dress_train::Error::AnotherRun { path, what }.into());
            }
        }
        let io = |cause| dress_train::Error::Io { path: place.clone(), cause };
        std::fs::create_dir_all(directory.path()).map_err(io)?;
        let text = serde_json::to_vec_pretty(self).expect("a part is numbers, texts and lists");
        Ok(files::write_whole(&place, &text).map_err(io)?)
    }

    /// What `there` differs in, if in anything that results depend on.
    pub fn differs(&self, there: &Self) -> Option<String> {
        let found = layer_differences(&there.key, &self.key);
        (!found.is_empty()).then(|| said(&found))
    }

    /// What `dress.json` says of all layers together.
    pub(crate) fn into_result(self) -> PruneResult {
        PruneResult { result: self.result, model: self.model, rounds: 1, settings: self.settings }
    }
}

/// The parts of one run, by layer.
pub(crate) struct PartsOfOneRun {
    pub first: PartFile,
    /// By layer, the directory that has it.
    places: Vec<Option<PathBuf>>,
}

impl PartsOfOneRun {
    /// The parts in `directories`, of a model of `layers` layers.
    ///
    /// # Errors
    /// [`Error::NoPart`], [`Error::ForeignPart`], [`Error::NoSuchLayers`] and [`Error::LayerTwice`].
    pub fn read(directories: &[PathBuf], layers: usize) -> Result<Self, Error> {
        let mut first: Option<PartFile> = None;
        let mut places: Vec<Option<PathBuf>> = vec![None; layers];
        for directory in directories {
            let part = PartFile::read(directory)?;
            if let Some(what) = first.as_ref().and_then(|first| first.differs(&part)) {
                return Err(Error::ForeignPart { path: directory.clone(), what });
            }
            for layer in part.layers.clone() {
                let asked = || part.layers.clone();
                let place =
                    places.get_mut(layer).ok_or_else(|| Error::NoSuchLayers { asked: asked(), layers })?;
                if let Some(first) = place.replace(directory.clone()) {
                    return Err(Error::LayerTwice { layer, first, second: directory.clone() });
                }
            }
            first.get_or_insert(part);
        }
        let nothing = || Error::NoPart { path: PathBuf::new(), reason: "no directory was given".into() };
        Ok(Self { first: first.ok_or_else(nothing)?, places })
    }

    /// The directory that has a layer, where one has.
    pub fn place(&self, layer: usize) -> Option<RunDirectory> {
        self.places[layer].as_ref().map(RunDirectory::at)
    }
}

/// What is said of a part of layers other than those that are asked for.
fn other_layers(there: &Range<usize>, here: &Range<usize>) -> String {
    format!("the layers {}..{}, not {}..{},", there.start, there.end, here.start, here.end)
}

/// Differences for people: the plan, the data and the settings by their names.
fn said(differences: &[String]) -> String {
    let of = |what: &str| differences.iter().any(|found| found.split([' ', '.']).next() == Some(what));
    let mut said = Vec::new();
    if of("plan") {
        said.push("another plan".to_string());
    }
    if of("data") {
        said.push("other data".into());
    }
    let others = |found: &&String| !["plan", "data"].contains(&found.split([' ', '.']).next().unwrap_or(""));
    let others: Vec<&str> = differences.iter().filter(others).map(String::as_str).collect();
    if !others.is_empty() {
        said.push(format!("other settings ({})", others.join(", ")));
    }
    said.join(", ")
}
