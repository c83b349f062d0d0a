//! From files to smaller files, without a model in memory.

use super::directory::{copy_companions, shard_name, write, write_index};
use super::load::{match_names, read_config};
use super::safetensors_reader::TensorPlace;
use super::tensor_stream::{Buffers, TensorStream};
use super::{SafetensorsDirectory, SaveReport, Staging, Weights};
use crate::{AnyModel, Error};
use dress_core::parameters;
use dress_core::{Fingerprint, Progress, Selection, StockTarget, TensorEdit};
use rayon::prelude::*;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

/// Stretches of tensors carried over between two reports of progress.
const BATCH: usize = 32;

/// How files are rewritten.
#[derive(Debug, Clone, Default)]
pub struct RewriteConfig {
    /// Further files, by name, such as `plan.json`.
    pub extra_files: Vec<(String, String)>,
    /// Whose rules the shape has to keep.
    pub target: StockTarget,
    /// Whether to replace what is there.
    pub force: bool,
}

/// The fingerprint of a checkpoint's files: that of the model they hold, from the few bytes it is made of.
/// `declared` is the model of the directory's configuration; it need not have its weights.
///
/// # Errors
/// Those of [`Weights::open`] and [`Error::Names`].
pub fn fingerprint(declared: &AnyModel, directory: &Path) -> Result<Fingerprint, Error> {
    let files = Weights::open(directory)?;
    let mut builder = Fingerprint::builder();
    for (name, filed) in match_names(declared, &files)? {
        let Some(raw) = files.sampled(&filed)? else { continue };
        let Some(element) = raw.element else {
            return Err(Error::TensorType { file: raw.file, tensor: filed, found: raw.element_name });
        };
        let numbers = raw.bytes.chunks_exact(element.size()).map(|n| element.read(n));
        builder.add(&name, &raw.shape, numbers);
    }
    Ok(builder.finish())
}

/// Writes a smaller checkpoint from the safetensors of another, a few rows of a tensor at a time: memory
/// does not depend on the size of the model. Every tensor keeps its type and its file.
///
/// `declared` is the model of the source's configuration, which need not have its weights, `resized` the
/// same after slicing; `edits` says what happens to each parameter that changes.
///
/// # Errors
/// Those of [`check_output`](super::check_output), of [`SafetensorsDirectory::open`], [`Error::Names`], [`Error::TensorShape`],
/// [`Error::TensorType`], [`Error::NotFinite`] and [`Error::Write`]; nothing is left behind.
pub fn rewrite(
    declared: &AnyModel,
    resized: &AnyModel,
    edits: &BTreeMap<String, TensorEdit>,
    [source, place]: [&Path; 2],
    config: &RewriteConfig,
    progress: &dyn Progress,
) -> Result<SaveReport, Error> {
    dress_core::CausalLm::check_stock(resized, &Selection::new(), config.target)?;
    let weights = Weights::open(source)?;
    let names = match_names(declared, &weights)?;
    let Weights::Safetensors(files) = &weights else {
        return Err(Error::NotStreamable { path: source.into() });
    };
    let staging = Staging::new(place, Some(source), config.force)?;
    let shards = shards(declared, files, &names, edits)?;
    let total = shards.iter().flatten().map(|t| t.from_bytes).sum::<u64>();
    progress.start("slicing (MiB)", total >> 20);
    let (mut index, mut report) = (BTreeMap::new(), SaveReport { bytes: 0, shards: shards.len() });
    for (number, shard) in shards.iter().enumerate() {
        let name = shard_name(number, shards.len());
        report.bytes += shard.iter().map(|t| t.bytes).sum::<u64>();
        index.extend(shard.iter().map(|t| (t.name.clone(), name.clone())));
        write_shard(shard, &staging.path().join(name), progress)?;
    }
    progress.finish();
    if shards.len() > 1 {
        write_index(staging.path(), report.bytes, &index)?;
    }
    write(&staging.path().join("config.json"), &resized.config_json(&torch_dtype(files)?))?;
    for (name, text) in &config.extra_files {
        write(&staging.path().join(name), text)?;
    }
    copy_companions(source, staging.path())?;
    staging.commit()?;
    Ok(report)
}

/// The type that the source's `config.json` says it has, since tensors keep theirs; else the one of most bytes.
fn torch_dtype(files: &SafetensorsDirectory) -> Result<String, Error> {
    let (text, path) = read_config(files.path())?;
    let config: Value =
        serde_json::from_str(&text).map_err(|source| Error::ConfigUnreadable { path, source })?;
    let said = ["dtype", "torch_dtype"].iter().find_map(|key| config[key].as_str());
    Ok(said.unwrap_or(files.float_type().unwrap_or_default().torch_name()).into())
}

/// One tensor of a file that will be written.
struct Planned<'a> {
    name: String,
    from: TensorPlace<'a>,
    edit: TensorEdit,
    shape: Vec<usize>,
    from_bytes: u64,
    bytes: u64,
}

/// What each file will hold: what the source's file holds, in its order.
fn shards<'a>(
    declared: &AnyModel,
    files: &'a SafetensorsDirectory,
    names: &BTreeMap<String, String>,
    edits: &BTreeMap<String, TensorEdit>,
) -> Result<Vec<Vec<Planned<'a>>>, Error> {
    let mut shards: BTreeMap<usize, Vec<Planned<'_>>> = BTreeMap::new();
    for parameter in parameters::list(declared) {
        let filed = names.get(&parameter.name).unwrap_or(&parameter.name);
        let Some(from) = files.place(filed) else { continue };
        if from.shape != parameter.shape {
            let (file, tensor, found) = (from.path.into(), filed.clone(), from.shape.to_vec());
            return Err(Error::TensorShape { file, tensor, expected: parameter.shape, found });
        }
        let edit = edits.get(&parameter.name).cloned().unwrap_or_default();
        if edit.dropped {
            continue;
        }
        let shape = edit.shape(&parameter.shape);
        let bytes = |shape: &[usize]| (shape.iter().product::<usize>() * from.dtype.bitsize() / 8) as u64;
        let (from_bytes, bytes) = (bytes(&parameter.shape), bytes(&shape));
        let name = edit.renamed.clone().unwrap_or(parameter.name);
        let planned = Planned { name, shape, from_bytes, bytes, edit, from };
        shards.entry(planned.from.shard).or_default().push(planned);
    }
    let mut shards: Vec<_> = shards.into_values().collect();
    shards.iter_mut().for_each(|shard| shard.sort_by_key(|tensor| tensor.from.start));
    Ok(shards)
}

fn write_shard(shard: &[Planned<'_>], path: &Path, progress: &dyn Progress) -> Result<(), Error> {
    let (header, starts) = header(shard, path)?;
    let file = File::create(path).map_err(Error::io(path, "cannot be made"))?;
    let unwritten = |source: std::io::Error| Error::Write { path: path.into(), source: source.into() };
    let size = header.len() as u64 + shard.iter().map(|t| t.bytes).sum::<u64>();
    file.set_len(size).map_err(unwritten)?;
    super::positional::write_at(&file, &header, 0).map_err(unwritten)?;

    let streams = shard.iter().zip(starts).map(|(tensor, start)| {
        TensorStream::new(&tensor.name, &tensor.from, &tensor.edit, header.len() as u64 + start)
    });
    let mut streams = streams.collect::<Result<Vec<_>, _>>()?;
    streams.par_iter_mut().try_for_each_init(Buffers::default, |buffers, stream| stream.prepare(buffers))?;
    let tasks: Vec<_> =
        streams.iter().flat_map(|stream| stream.chunks().map(move |rows| (stream, rows))).collect();
    let (mut done, mut told) = (0, 0);
    for batch in tasks.chunks(BATCH) {
        batch.par_iter().try_for_each_init(Buffers::default, |buffers, (stream, rows)| {
            stream.carry(rows.clone(), &file, path, buffers)
        })?;
        done += batch.iter().map(|(stream, rows)| (rows.len() * stream.row_bytes()) as u64).sum::<u64>();
        progress.advance((done >> 20) - told, "");
        told = done >> 20;
    }
    file.sync_all().map_err(Error::io(path, "cannot be synced"))
}

/// The bytes before a file's tensors, and where after them each tensor starts.
fn header(shard: &[Planned<'_>], path: &Path) -> Result<(Vec<u8>, Vec<u64>), Error> {
    let (mut infos, mut starts, mut end) = (Vec::new(), Vec::new(), 0);
    for Planned { name, from, shape, bytes, .. } in shard {
        let start = end;
        end += *bytes as usize;
        starts.push(start as u64);
        infos.push((
            name.clone(),
            TensorInfo { dtype: from.dtype, shape: shape.clone(), data_offsets: (start, end) },
        ));
    }
    let note = HashMap::from([("format".to_string(), "pt".to_string())]);
    let unwritable = |source| Error::Write { path: path.into(), source };
    let metadata = Metadata::new(Some(note), infos).map_err(unwritable)?;
    let mut text = serde_json::to_vec(&metadata).map_err(|source| unwritable(source.into()))?;
    text.resize(text.len().next_multiple_of(size_of::<u64>()), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.append(&mut text);
    Ok((header, starts))
}
