//! From a model to files.

use super::companions::{Companions, Source};
use super::directory::{shard_name, write, write_index};
use super::fused_tensors::written_into;
use super::tensor_stream::first_not_finite;
use super::{FloatType, Staging, Weights};
use crate::{Error, Family};
use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use dress_core::parameters::{self, Layout, NamedParameters, ParameterVisitor};
use dress_core::{Selection, StockTarget};
use safetensors::tensor::View;
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// How a checkpoint is saved.
#[derive(Debug, Clone, Default)]
pub struct SaveConfig {
    /// The type of the numbers in the files; `None` keeps the one that most of the source's bytes have, else
    /// f32.
    pub dtype: Option<FloatType>,
    /// The directory or file the model was loaded from: its tokenizer's files and its licences are copied,
    /// its model card becomes `README.source.md`, its type and shard size are kept.
    pub source: Option<PathBuf>,
    /// The most bytes of tensors a file, where more than one is wanted; `None` keeps the source's.
    pub max_shard_bytes: Option<u64>,
    /// Further files, by name, such as `dress.json`.
    pub extra_files: Vec<(String, String)>,
    /// What the model card (`README.md`) says of how the model was made, in Markdown; `None` for no card.
    pub model_card: Option<String>,
    /// Whose rules the shape has to keep.
    pub target: StockTarget,
    /// Whether to replace what is there.
    pub force: bool,
    /// Whether to keep the result beside its place where something is in that place, instead of refusing
    /// before it is written. For models that took long to make, whose place was looked at before.
    pub keep: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaveReport {
    /// Bytes of tensors.
    pub bytes: u64,
    /// Safetensors files.
    pub shards: usize,
}

/// Writes a model as a Hugging Face directory, beside its place and renamed when complete.
///
/// # Errors
/// Those of [`check_output`](super::check_output), [`Error::Write`] (a full disk, say), [`Error::Overflow`]
/// and [`Error::Io`]; nothing is left behind. [`OutputError::NotPlaced`](super::OutputError::NotPlaced),
/// which says where the result is. [`Error::Core`] where stock software would refuse the model's shape.
///
/// # Examples
/// ```
/// use dress_core::{Fingerprint, burn::tensor::Device};
/// use dress_models::checkpoint::{LoadConfig, SaveConfig, load_model, save};
/// use dress_models::opt::{OptConfig, OptForCausalLm};
///
/// let text = r#"{"model_type":"opt","vocab_size":32,"hidden_size":16,"ffn_dim":24,"num_hidden_layers":2,
///     "num_attention_heads":4}"#;
/// let config = OptConfig::from_json(text, "config.json".as_ref())?;
/// let model = OptForCausalLm::new(config, &Device::flex());
/// let directory = tempfile::tempdir().expect("a place for temporary files");
/// let place = directory.path().join("model");
/// assert_eq!(save(&model, &place, &SaveConfig::default())?.shards, 1);
/// let again: OptForCausalLm = load_model(&place, &LoadConfig::default(), &Device::flex())?;
/// assert_eq!(Fingerprint::of(&again), Fingerprint::of(&model));
/// # Ok::<(), dress_models::Error>(())
/// ```
pub fn save<F: Family>(model: &F, place: &Path, config: &SaveConfig) -> Result<SaveReport, Error> {
    model.check_stock(&Selection::new(), config.target)?;
    let stage = if config.keep { Staging::beside } else { Staging::new };
    let staging = stage(place, config.source.as_deref(), config.force)?;
    let source = config.source.as_deref().map(Weights::open).transpose()?;
    let dtype = config.dtype.or(source.as_ref().and_then(|s| s.float_type())).unwrap_or_default();
    let limit = config.max_shard_bytes.or(source.as_ref().and_then(|s| s.shard_bytes()));
    write(&staging.path().join("config.json"), &model.config_json(dtype.torch_name()))?;
    let report = write_weights(model, staging.path(), dtype, limit.unwrap_or(u64::MAX))?;
    write_companions(source.as_ref(), config, staging.path(), place)?;
    staging.commit()?;
    Ok(report)
}

/// Writes what lies beside configuration and weights.
pub(super) fn write_companions(
    source: Option<&Weights>,
    config: &SaveConfig,
    directory: &Path,
    place: &Path,
) -> Result<(), Error> {
    let companions = Companions {
        source: source.map(|source| match source {
            Weights::Gguf(file) => Source::Gguf(file),
            files => Source::Directory(files.path()),
        }),
        extra_files: &config.extra_files,
        model_card: config.model_card.as_deref(),
    };
    companions.write(directory, place)
}

fn write_weights<F: Family>(
    model: &F,
    directory: &Path,
    dtype: FloatType,
    max_shard_bytes: u64,
) -> Result<SaveReport, Error> {
    let outgoing = Outgoing::of(model, dtype, &written_into(model), &|name| Some(name.into()));
    let shards = pack(outgoing, max_shard_bytes);
    let (count, mut index, mut total) = (shards.len(), BTreeMap::new(), 0);
    for (number, shard) in shards.into_iter().enumerate() {
        let name = shard_name(number, count);
        let path = directory.join(&name);
        total += shard.iter().map(|t| t.size() as u64).sum::<u64>();
        index.extend(shard.iter().map(|t| (t.name.clone(), name.clone())));
        write_shard(&path, &shard)?;
    }
    if count > 1 {
        write_index(directory, total, &index)?;
    }
    Ok(SaveReport { bytes: total, shards: count })
}

/// Tensors that are one in the files, each in the place of its first part.
fn together(outgoing: Vec<Outgoing>, fused: &HashMap<String, String>) -> Vec<Outgoing> {
    let mut joined: Vec<Outgoing> = Vec::new();
    for tensor in outgoing {
        let Some(name) = fused.get(&tensor.name) else {
            joined.push(tensor);
            continue;
        };
        match joined.iter_mut().rev().find(|other| other.name == *name) {
            Some(whole) => {
                whole.shape[0] += tensor.shape[0];
                whole.parts.extend(tensor.parts);
            }
            None => joined.push(Outgoing { name: name.clone(), ..tensor }),
        }
    }
    joined
}

/// Writes one file of tensors, beside the `config.json` that it belongs to.
///
/// # Errors
/// [`Error::Write`], [`Error::Overflow`] and [`Error::Io`].
pub(super) fn write_shard(path: &Path, shard: &[Outgoing]) -> Result<(), Error> {
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    let tensors = shard.iter().map(|t| (t.name.as_str(), t));
    safetensors::serialize_to_file(tensors, Some(metadata), path)
        .map_err(|cause| Error::Write { path: path.into(), cause })?;
    shard.iter().try_for_each(Outgoing::check_range)?;
    // The writer makes its files readable by their owner alone; they are to be as their neighbour is.
    fs::metadata(path.with_file_name("config.json"))
        .and_then(|neighbour| fs::set_permissions(path, neighbour.permissions()))
        .map_err(Error::io(path, "cannot be made readable"))?;
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(Error::io(path, "cannot be synced"))
}

/// Tensors in order, as many a shard as fit; one that is larger than a shard gets its own.
fn pack(outgoing: Vec<Outgoing>, max_shard_bytes: u64) -> Vec<Vec<Outgoing>> {
    let (mut shards, mut filled): (Vec<Vec<Outgoing>>, u64) = (Vec::new(), 0);
    for tensor in outgoing {
        let bytes = tensor.size() as u64;
        match shards.last_mut() {
            Some(shard) if filled.saturating_add(bytes) <= max_shard_bytes => {
                shard.push(tensor);
                filled += bytes;
            }
            _ => {
                shards.push(vec![tensor]);
                filled = bytes;
            }
        }
    }
    shards
}

/// A tensor that is turned into bytes only when its turn to be written comes.
pub(super) struct Outgoing {
    pub name: String,
    shape: Vec<usize>,
    dtype: FloatType,
    /// Its numbers, some rows behind others.
    parts: Vec<Box<dyn Fn() -> TensorData>>,
    /// A number that the type cannot hold and its index, once the tensor is written.
    overflow: Cell<Option<(usize, f32)>>,
}

impl Outgoing {
    /// The parameters of `model` for which there is a `name` in the files, as numbers of type `dtype`; those
    /// that `fused` names in the tensors that hold them with others. Parameters without a name need not have
    /// their values.
    pub fn of<M: NamedParameters>(
        model: &M,
        dtype: FloatType,
        fused: &HashMap<String, String>,
        name: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<Self> {
        let mut collect = Collect { dtype, name, outgoing: Vec::new() };
        parameters::visit(model, &mut collect);
        together(collect.outgoing, fused)
    }

    /// Bytes in the file.
    pub fn size(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }

    /// That every number that was written is one that its type can hold.
    fn check_range(&self) -> Result<(), Error> {
        let Some((index, value)) = self.overflow.get() else { return Ok(()) };
        Err(Error::Overflow { tensor: self.name.clone(), index, value, element: self.dtype })
    }
}

impl View for &Outgoing {
    fn dtype(&self) -> safetensors::Dtype {
        self.dtype.safetensors()
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = Vec::with_capacity(self.size());
        self.parts.iter().for_each(|part| bytes.extend_from_slice(part().as_bytes()));
        if self.dtype == FloatType::F16 {
            let at = first_not_finite(&bytes, self.dtype);
            self.overflow.set(at.map(|at| (at, self.dtype.read(&bytes[at * self.dtype.size()..]))));
        }
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.size()
    }
}

struct Collect<'a> {
    dtype: FloatType,
    name: &'a dyn Fn(&str) -> Option<String>,
    outgoing: Vec<Outgoing>,
}

impl ParameterVisitor for Collect<'_> {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        let Some(name) = (self.name)(name) else { return };
        let value = parameter.val().detach();
        let shape = layout.shape(&value.dims());
        let dtype = self.dtype.dtype();
        let data = move || {
            let value = value.clone();
            let filed = if layout == Layout::Transposed { value.swap_dims(0, 1) } else { value };
            filed.cast(dtype).into_data()
        };
        let parts: Vec<Box<dyn Fn() -> TensorData>> = vec![Box::new(data)];
        let overflow = Cell::new(None);
        self.outgoing.push(Outgoing { name, shape, dtype: self.dtype, parts, overflow });
    }
}
