//! From files to smaller files, without a model in memory.

use super::rewritten::{RewriteConfig, Rewritten, place};
use super::shard_file::{Planned, ShardFile};
use super::tensor_names::match_names;
use super::tensor_stream::{Buffers, TensorStream};
use super::{SafetensorsDirectory, SaveReport, Weights};
use crate::{Error, Family};
use dress_core::{Progress, RunningStage, Selection, TensorEdit, parameters};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// Stretches of tensors carried over between two reports of progress.
const BATCH: usize = 32;

/// Writes a smaller checkpoint from the safetensors of another, a few rows of a tensor at a time: memory
/// does not depend on the size of the model. Every tensor keeps its type and its file.
///
/// `declared` is the model of the source's configuration, which need not have its weights, `resized` the
/// same after slicing; `edits` says what happens to each parameter that changes.
///
/// # Errors
/// Those of [`check_output`](super::check_output), of [`SafetensorsDirectory::open`], [`Error::Names`],
/// [`Error::TensorShape`], [`Error::TensorType`], [`Error::NotFinite`] and [`Error::Write`]; nothing is left
/// behind.
///
/// # Examples
/// ```
/// use dress_core::burn::tensor::Device;
/// use dress_core::{Axis, AxisSelection, CausalLm, NoProgress, Selection, TensorEdit};
/// use dress_models::checkpoint::{RewriteConfig, SaveConfig, declare, rewrite, save};
/// use dress_models::opt::{OptConfig, OptForCausalLm};
/// use std::collections::BTreeMap;
///
/// let text = r#"{"model_type":"opt","vocab_size":32,"hidden_size":16,"ffn_dim":24,"num_hidden_layers":2,
///     "num_attention_heads":4}"#;
/// let config = OptConfig::from_json(text, "config.json".as_ref())?;
/// let directory = tempfile::tempdir().expect("a place for temporary files");
/// let places = [directory.path().join("dense"), directory.path().join("smaller")];
/// save(&OptForCausalLm::new(config, &Device::flex()), &places[0], &SaveConfig::default())?;
///
/// // The last layer goes, and with it every tensor of it.
/// let declared: OptForCausalLm = declare(&places[0], &Device::flex())?;
/// let selection = Selection::new().with(Axis::Depth, AxisSelection::new(2, vec![1])?);
/// let smaller = declared.clone().resized(&selection)?;
/// let names = dress_core::parameters::list(&declared).into_iter().map(|parameter| parameter.name);
/// let dropped = TensorEdit { dropped: true, ..TensorEdit::default() };
/// let edits: BTreeMap<_, _> =
///     names.filter(|name| name.contains("layers.1.")).map(|name| (name, dropped.clone())).collect();
/// let [from, to] = [&places[0], &places[1]];
/// let report = rewrite(&declared, &smaller, &edits, [from, to], &RewriteConfig::default(), &NoProgress)?;
/// assert_eq!(report.bytes, 4 * dress_core::parameters::count(&smaller));
/// # Ok::<(), dress_models::Error>(())
/// ```
pub fn rewrite<F: Family>(
    declared: &F,
    resized: &F,
    edits: &BTreeMap<String, TensorEdit>,
    [source, place]: [&Path; 2],
    config: &RewriteConfig,
    progress: &dyn Progress,
) -> Result<SaveReport, Error> {
    rewrite_as(declared, resized, edits, [source, place], config, ("slicing", progress))
}

/// As [`rewrite`], with the name under which its progress is reported.
pub(crate) fn rewrite_as<F: Family>(
    declared: &F,
    resized: &F,
    edits: &BTreeMap<String, TensorEdit>,
    [source, place]: [&Path; 2],
    config: &RewriteConfig,
    progress: (&str, &dyn Progress),
) -> Result<SaveReport, Error> {
    resized.check_stock(&Selection::new(), config.target)?;
    let weights = Weights::open_for(declared, source)?;
    let names = match_names(declared, &weights)?;
    let files = weights.streamable()?;
    let shards = shards(declared, files, &names, edits)?;
    Rewritten { files, shards, model: resized }.write(place, config, progress, carry)
}

/// What each file will hold: what the source's file holds, in its order.
fn shards<'a, F: Family>(
    declared: &F,
    files: &'a SafetensorsDirectory,
    names: &BTreeMap<String, String>,
    edits: &BTreeMap<String, TensorEdit>,
) -> Result<Vec<Vec<Planned<'a, TensorEdit>>>, Error> {
    let mut shards: BTreeMap<usize, Vec<Planned<'_, TensorEdit>>> = BTreeMap::new();
    for parameter in parameters::list(declared) {
        let Some(from) = place(files, names, &parameter.name, &parameter.shape)? else { continue };
        let edit = edits.get(&parameter.name).cloned().unwrap_or_default();
        if edit.dropped {
            continue;
        }
        let shape = edit.shape(&parameter.shape);
        let name = edit.renamed.clone().unwrap_or(parameter.name);
        shards.entry(from.shard).or_default().push(Planned { name, from, edit, shape });
    }
    let mut shards: Vec<_> = shards.into_values().collect();
    shards.iter_mut().for_each(|shard| shard.sort_by_key(|tensor| tensor.from.start));
    Ok(shards)
}

fn carry(
    shard: &[Planned<'_, TensorEdit>],
    file: &ShardFile<'_>,
    stage: &RunningStage<'_>,
) -> Result<(), Error> {
    let streams = shard
        .iter()
        .zip(file.starts())
        .map(|(tensor, &start)| TensorStream::new(&tensor.name, &tensor.from, &tensor.edit, start));
    let mut streams = streams.collect::<Result<Vec<_>, _>>()?;
    streams.par_iter_mut().try_for_each_init(Buffers::default, |buffers, stream| stream.prepare(buffers))?;
    let tasks: Vec<_> =
        streams.iter().flat_map(|stream| stream.chunks().map(move |rows| (stream, rows))).collect();
    for batch in tasks.chunks(BATCH) {
        batch.par_iter().try_for_each_init(Buffers::default, |buffers, (stream, rows)| {
            stream.carry(rows.clone(), file, buffers)
        })?;
        stage.advance(batch.iter().map(|(stream, rows)| (rows.len() * stream.row_bytes()) as u64).sum())?;
    }
    Ok(())
}
