//! What every way of rewriting a checkpoint from file to file has in common.

use super::companions::{Companions, Source};
use super::directory::{shard_name, write, write_index};
use super::fused_tensors::written_into;
use super::load::read_config_of;
use super::safetensors_reader::TensorPlace;
use super::shard_file::{Planned, ShardFile};
use super::{SafetensorsDirectory, SaveReport, Staging};
use crate::{Error, Family};
use dress_core::{Progress, RunningStage, StockTarget, Unit};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// How files are rewritten.
#[derive(Debug, Clone, Default)]
pub struct RewriteConfig {
    /// Further files, by name, such as `plan.json`.
    pub extra_files: Vec<(String, String)>,
    /// What the model card (`README.md`) says of how the model was made, in Markdown; `None` for no card.
    pub model_card: Option<String>,
    /// Whose rules the shape has to keep.
    pub target: StockTarget,
    /// Whether to replace what is there.
    pub force: bool,
}

/// A checkpoint that will be written from the safetensors of another.
pub(super) struct Rewritten<'a, F, E> {
    /// Where from.
    pub files: &'a SafetensorsDirectory,
    /// What each file will hold.
    pub shards: Vec<Vec<Planned<'a, E>>>,
    /// The model of the result's configuration; it need not have its weights.
    pub model: &'a F,
}

impl<F: Family, E> Rewritten<'_, F, E> {
    /// Writes a directory beside its place, every file's tensors by `carry`, and moves it there when it is
    /// complete.
    ///
    /// # Errors
    /// Those of [`check_output`](super::check_output), of `carry`, [`Error::Io`] and [`Error::Write`];
    /// nothing is left behind.
    pub fn write(
        &self,
        place: &Path,
        config: &RewriteConfig,
        (phase, progress): (&str, &dyn Progress),
        carry: impl Fn(&[Planned<'_, E>], &ShardFile<'_>, &RunningStage<'_>) -> Result<(), Error>,
    ) -> Result<SaveReport, Error> {
        let source = self.files.path();
        let staging = Staging::new(place, Some(source), config.force)?;
        let total = self.shards.iter().flatten().map(Planned::bytes_read).sum();
        let stage = progress.begin(phase, Unit::Bytes, total);
        let (mut index, mut report) = (BTreeMap::new(), SaveReport { bytes: 0, shards: self.shards.len() });
        let fused = written_into(self.model);
        for (number, shard) in self.shards.iter().enumerate() {
            let name = shard_name(number, self.shards.len());
            report.bytes += shard.iter().map(Planned::bytes_written).sum::<u64>();
            let written = |tensor: &Planned<'_, E>| fused.get(&tensor.name).unwrap_or(&tensor.name).clone();
            index.extend(shard.iter().map(|tensor| (written(tensor), name.clone())));
            let path = staging.path().join(name);
            let file = ShardFile::create(&path, shard, &fused)?;
            carry(shard, &file, &stage)?;
            file.sync()?;
        }
        drop(stage);
        if self.shards.len() > 1 {
            write_index(staging.path(), report.bytes, &index)?;
        }
        let config_json = self.model.config_json(&torch_dtype::<F>(self.files)?);
        write(&staging.path().join("config.json"), &config_json)?;
        let companions = Companions {
            source: Some(Source::Directory(source)),
            extra_files: &config.extra_files,
            model_card: config.model_card.as_deref(),
        };
        companions.write(staging.path(), place)?;
        staging.commit()?;
        Ok(report)
    }
}

/// The type that the source's `config.json` says it has, since tensors keep theirs; else the one of most
/// bytes.
fn torch_dtype<F: Family>(files: &SafetensorsDirectory) -> Result<String, Error> {
    let (text, path) = read_config_of::<F>(files.path())?;
    let config: Value =
        serde_json::from_str(&text).map_err(|cause| Error::ConfigUnreadable { path, cause })?;
    let said = ["dtype", "torch_dtype"].iter().find_map(|key| config[key].as_str());
    Ok(said.unwrap_or(files.float_type().unwrap_or_default().torch_name()).into())
}

/// Where the tensor of a parameter lies, where there is one. `names` says what the files call it.
///
/// # Errors
/// [`Error::TensorShape`] where it has another shape.
pub(super) fn place<'a>(
    files: &'a SafetensorsDirectory,
    names: &BTreeMap<String, String>,
    parameter: &str,
    expected: &[usize],
) -> Result<Option<TensorPlace<'a>>, Error> {
    let Some(filed) = names.get(parameter) else { return Ok(None) };
    let Some(from) = files.place(filed) else { return Ok(None) };
    if from.shape != expected {
        let (file, tensor) = (from.path.into(), filed.clone());
        let (expected, found) = (expected.to_vec(), from.shape.to_vec());
        return Err(Error::TensorShape { file, tensor, expected, found });
    }
    Ok(Some(from))
}
