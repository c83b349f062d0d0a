//! Checkpoints as GGUF files that llama.cpp runs: read, converted and written one tensor at a time.

mod architecture;
mod encode;
mod file;
mod gguf_type;
mod layer_norms;
mod merge_scores;
mod outgoing;
mod text_ends;
mod vocabulary;

pub use gguf_type::{GgufType, GgufTypeName};

use super::entry::Entry;
use crate::checkpoint::{OutputError, Weights, hub_id, match_names, read_config};
use crate::name_lists::ten;
use crate::{Checkpoint, Error, end_tokens};
use architecture::Architecture;
use dress_core::files::{self, NotPlaced};
use dress_core::{Progress, Unit, parameters};
use file::GgufFile;
use outgoing::{Origin, Outgoing};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use vocabulary::NamedTokens;

/// How a checkpoint is exported.
#[derive(Debug, Clone, Copy, Default)]
pub struct GgufExportConfig {
    /// How the matrices are written; `None` for the type that most of the checkpoint's bytes have. Vectors
    /// are f32.
    pub tensor_type: Option<GgufType>,
    /// Whether a file that is there is replaced.
    pub force: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufExport {
    /// llama.cpp's name of the architecture.
    pub architecture: &'static str,
    /// How the matrices are written.
    pub tensor_type: GgufType,
    /// How many tensors.
    pub tensors: usize,
    /// Bytes of the file.
    pub bytes: u64,
    /// The tensors whose rows are no whole blocks, and which are F16 instead.
    pub left_f16: Vec<String>,
}

/// Writes a checkpoint as one GGUF file, beside its place and renamed when it is complete. Memory holds one
/// tensor at a time. Layers that differ are written as the architecture `deci`.
///
/// # Errors
/// [`Error::NotExported`] where llama.cpp has no such model or tokenizer, or a number is beyond its type;
/// [`Error::Output`] where something is in the place already; those of [`Checkpoint::tokenizer`], of reading
/// the weights, and [`Error::Io`]. Nothing is left behind.
///
/// # Examples
/// ```
/// use dress_core::NoProgress;
/// use dress_models::Checkpoint;
/// use dress_models::gguf::{GgufExportConfig, GgufType, export_gguf};
///
/// let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/llama2-kjv");
/// let checkpoint = Checkpoint::open(directory)?;
/// let place = tempfile::tempdir().expect("a place for temporary files");
/// let file = place.path().join("small.gguf");
/// let config = GgufExportConfig { tensor_type: Some(GgufType::Q8_0), force: false };
/// let made = export_gguf(&checkpoint, &file, &config, &NoProgress)?;
/// assert_eq!(made.architecture, "llama");
/// let again = Checkpoint::open(&file)?;
/// let text = "And it came to pass";
/// assert_eq!(again.tokenizer()?.encode(text, true)?, checkpoint.tokenizer()?.encode(text, true)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn export_gguf(
    checkpoint: &Checkpoint,
    place: &Path,
    config: &GgufExportConfig,
    progress: &dyn Progress,
) -> Result<GgufExport, Error> {
    check_place(checkpoint, place, config.force)?;
    let refused = |reason| Error::NotExported { path: checkpoint.path().into(), reason };
    let architecture = Architecture::of(checkpoint.declared()).map_err(refused)?;
    let weights = Weights::open_for(checkpoint.declared(), checkpoint.path())?;
    let names = match_names(checkpoint.declared(), &weights)?;
    let wanted = config.tensor_type.unwrap_or_else(|| weights.float_type().unwrap_or_default().into());
    let tensors = outgoing::plan(&architecture, parameters::list(checkpoint.declared()), wanted)
        .map_err(|name| refused(format!("llama.cpp has no place for {name}")))?;
    let left_f16 = left_f16(&tensors, wanted);
    let mut entries = general(checkpoint, &architecture, wanted);
    entries.extend(architecture.entries());
    let (tokenizer, named) = tokens(checkpoint)?;
    entries.extend(vocabulary::entries(&tokenizer, architecture.vocab_size(), &named).map_err(refused)?);

    let partial = Partial::beside(place)?;
    let total = tensors.iter().filter(|tensor| matches!(tensor.from, Origin::Parameters(_)));
    let stage = progress.begin("export", Unit::Bytes, total.map(|tensor| tensor.bytes() as u64).sum());
    let file = GgufFile { weights: &weights, names: &names, file: &partial.file, path: &partial.path };
    let bytes = file.write(&entries, &tensors, &stage)?;
    drop(stage);
    partial.put(place, config.force)?;
    let architecture = architecture.family().name();
    Ok(GgufExport { architecture, tensor_type: wanted, tensors: tensors.len(), bytes, left_f16 })
}

/// Checks, before any work, that a file can be put at `place` and is not the one that is read.
fn check_place(checkpoint: &Checkpoint, place: &Path, force: bool) -> Result<(), Error> {
    let real = |path: &Path| path.canonicalize().ok();
    if real(place).is_some_and(|place| real(checkpoint.path()) == Some(place)) {
        return Err(OutputError::IsSource { path: place.into() }.into());
    }
    match place.is_dir() || (place.exists() && !force) {
        true => Err(OutputError::Exists { path: place.into() }.into()),
        false => Ok(()),
    }
}

/// Names the tensors that are written in another type than the wanted one, and says so once.
fn left_f16(tensors: &[Outgoing], wanted: GgufType) -> Vec<String> {
    let is_left = |tensor: &&Outgoing| tensor.shape.len() > 1 && tensor.kind == super::TensorType::F16;
    let left = tensors.iter().filter(|_| wanted != GgufType::F16).filter(is_left);
    let left: Vec<String> = left.map(|tensor| tensor.name.clone()).collect();
    if !left.is_empty() {
        tracing::warn!(
            "{} of {} tensors have rows that are no multiple of 32 numbers and are written as F16, not as {wanted}: {}",
            left.len(),
            tensors.len(),
            ten(&left)
        );
    }
    left
}

/// What every file says of itself.
fn general(
    checkpoint: &Checkpoint,
    architecture: &Architecture<'_>,
    wanted: GgufType,
) -> Vec<(String, Entry)> {
    let mut entries = vec![
        ("general.architecture", Entry::Text(architecture.family().name().into())),
        ("general.type", Entry::Text("model".into())),
        ("general.file_type", Entry::U32(wanted.file_type())),
    ];
    if wanted.is_quantized() {
        entries.push(("general.quantization_version", Entry::U32(2)));
    }
    let path = checkpoint.path();
    let own = if path.is_dir() { path.file_name() } else { path.file_stem() };
    let own = own.map(|name| name.to_string_lossy().into_owned());
    let name = hub_id(path).and_then(|id| Some(id.rsplit('/').next()?.to_string())).or(own);
    // Under this name llama.cpp takes special tokens to leave no blank behind them.
    let name = name.filter(|name| !["phi-3", "phi3"].iter().any(|other| name.to_lowercase().contains(other)));
    entries.extend(name.map(|name| ("general.name", Entry::Text(name))));
    entries.into_iter().map(|(key, entry)| (key.into(), entry)).collect()
}

/// The `tokenizer.json` of a checkpoint as it is used, and what its other files say of the tokens.
fn tokens(checkpoint: &Checkpoint) -> Result<(Value, NamedTokens), Error> {
    let tokenizer = checkpoint.tokenizer()?;
    let named = tokenizer.special_tokens().iter();
    let named = named.filter_map(|(name, text)| Some((name.clone(), u64::from(tokenizer.token_id(text)?))));
    let mut named = NamedTokens {
        ids: named.collect(),
        ends: end_tokens(checkpoint.path())?.into_iter().map(u64::from).collect(),
        chat_template: checkpoint.chat_template_text()?,
    };
    let (text, path) = read_config(checkpoint.path())?;
    let unreadable = |cause| Error::ConfigUnreadable { path: path.clone(), cause };
    let config: Value = serde_json::from_str(&text).map_err(unreadable)?;
    if let Some(id) = config["bos_token_id"].as_u64() {
        named.ids.entry("bos_token".into()).or_insert(id);
    }
    Ok((serde_json::from_str(&tokenizer.to_json()).map_err(unreadable)?, named))
}

/// A file beside its place. Dropped before it has that place, it is removed.
struct Partial {
    file: File,
    path: PathBuf,
}

impl Partial {
    fn beside(place: &Path) -> Result<Self, Error> {
        let path = files::partial_beside(place);
        let file = File::create(&path).map_err(Error::io(&path, "cannot be made"))?;
        Ok(Self { file, path })
    }

    /// Gives a complete file its place.
    fn put(self, place: &Path, force: bool) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::io(&self.path, "cannot be synced"))?;
        let Err(NotPlaced { kept, cause }) = files::place(&self.path, place, force) else { return Ok(()) };
        if kept == self.path {
            std::mem::forget(self);
        }
        Err(OutputError::NotPlaced { path: place.into(), partial: kept, cause }.into())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
