//! What can go wrong with a checkpoint, and what to do about it.

use crate::FloatType;
use crate::checkpoint::{FloatTypeName, OutputError};
use crate::generation_error::GenerationError;
use crate::name_lists::{listing, ten, written_by};
use std::path::PathBuf;

/// Errors of reading, building and writing models.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be read or written.
    #[error("{path}: {doing}: {cause}", path = .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, with the remedy where there is one.
        doing: &'static str,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A tokenizer that cannot be read.
    #[cfg(feature = "tokenizer")]
    #[error(transparent)]
    Tokenizer(#[from] dress_data::Error),
    /// A directory without `config.json`.
    #[error("{path}: no such file; give the directory of a Hugging Face checkpoint (config.json, model.safetensors, tokenizer.json)", path = .path.display())]
    ConfigMissing {
        /// Where the file was expected.
        path: PathBuf,
    },
    /// A `config.json` that is not JSON or lacks a key.
    #[error("{path}: {cause}; compare it with the config.json of the published checkpoint", path = .path.display())]
    ConfigUnreadable {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        cause: serde_json::Error,
    },
    /// A `config.json` that asks for something that is not built.
    #[error("{path}: `{key}`: {reason}; use another checkpoint, or correct the file", path = .path.display())]
    ConfigUnsupported {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What it asks for and what there is.
        reason: String,
    },
    /// A `config.json` that a family refuses for a cause of its own.
    #[error("{path}: {cause}", path = .path.display())]
    ConfigRefused {
        /// The file.
        path: PathBuf,
        /// What the family says.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A family that is not built.
    #[error("{path}: model_type `{found}` is not supported; this version builds {built}", path = .path.display())]
    ModelType {
        /// The file.
        path: PathBuf,
        /// The family asked for.
        found: String,
        /// The families there are.
        built: String,
    },
    /// A family in which each token goes through a few of many feed-forward networks.
    #[error("{path}: `{found}` is a mixture of experts, and no family of experts is built: what would go are experts, which \
             are no axis here; take a dense model", path = .path.display())]
    Experts {
        /// The file.
        path: PathBuf,
        /// The family asked for.
        found: String,
    },
    /// A directory without weights.
    #[error("{path}: no model.safetensors, pytorch_model.bin or index of several; {hint}", path = .path.display())]
    WeightsMissing {
        /// The directory.
        path: PathBuf,
        /// What there is instead, and what to do.
        hint: String,
    },
    /// A directory with an adapter and no model.
    #[error("{path}: holds an adapter (adapter_config.json) and no model; merge it into its base model (PEFT's merge_and_unload), and save that with save_pretrained", path = .path.display())]
    AdapterAlone {
        /// The directory.
        path: PathBuf,
    },
    /// An adapter beside a whole model, which stock software may or may not apply.
    #[error(
        "{path}: an adapter lies beside a whole model, and transformers applies it wherever peft is installed; merge it into the \
         model (model.merge_and_unload(), then save_pretrained), or move adapter_config.json elsewhere to have the model alone",
        path = .path.display()
    )]
    AdapterBeside {
        /// The adapter's configuration.
        path: PathBuf,
    },
    /// A file of which only the pointer was fetched.
    #[error("{path}: this is a Git LFS pointer, not the file itself; run `git lfs pull` there, or download the file from the hub", path = .path.display())]
    LfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// A safetensors file whose header does not hold.
    #[error("{path}: not a valid safetensors file: {cause}; it is truncated or corrupt, download it again", path = .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        cause: safetensors::SafeTensorError,
    },
    /// A file that is not what `torch.save` writes.
    #[error("{path}: not a readable PyTorch checkpoint: {reason}; it is truncated or corrupt, download it again, or its safetensors", path = .path.display())]
    Pytorch {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// A GGUF file whose header does not hold.
    #[error("{path}: not a valid GGUF file: {reason}; it is truncated or corrupt, download it again", path = .path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A GGUF file with something that is not read.
    #[error("{path}: {what}", path = .path.display())]
    GgufUnsupported {
        /// The file.
        path: PathBuf,
        /// What it has, and what to do.
        what: String,
    },
    /// An index that is not JSON or has no `weight_map`.
    #[error("{path}: not a valid shard index: {cause}; download it again", path = .path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        cause: serde_json::Error,
    },
    /// An index that names a file outside its directory.
    #[error("{path}: shard `{shard}` is not a plain file name; download the index again", path = .path.display())]
    IndexEscapes {
        /// The index.
        path: PathBuf,
        /// The name.
        shard: String,
    },
    /// A shard that is not there.
    #[error("{shard}: this shard is missing, and {index} places {count} tensors in it, `{first}` among them; download it", shard = .shard.display())]
    ShardMissing {
        /// The shard.
        shard: PathBuf,
        /// The index.
        index: String,
        /// How many tensors it should hold.
        count: usize,
        /// One of them.
        first: String,
    },
    /// Tensors that differ between two shards, or that no shard holds though the index lists them.
    #[error("{path}: the shards disagree with the index on {}; download the checkpoint again", ten(.tensors), path = .path.display())]
    IndexDisagrees {
        /// The index.
        path: PathBuf,
        /// The tensors, each with what is wrong.
        tensors: Vec<String>,
    },
    /// Parameters without a tensor.
    #[error("{path}: the tensors do not match the model of its config.json;{}{}", listing("missing", .missing), listing("unknown", .unknown), path = .path.display())]
    Names {
        /// The checkpoint.
        path: PathBuf,
        /// Parameters that no file holds.
        missing: Vec<String>,
        /// Tensors that the model does not have.
        unknown: Vec<String>,
    },
    /// Names that are right but for what a wrapper of the model put into them.
    #[error("{path}: {count} tensors have `{prefix}` in their names, such as {tensor}{}; save the model that is inside, or take `{prefix}` out of the names", written_by(.writer), path = .path.display())]
    Prefixed {
        /// The checkpoint.
        path: PathBuf,
        /// What is too much.
        prefix: String,
        /// How many tensors have it.
        count: usize,
        /// One of them.
        tensor: String,
        /// What writes such names, where it is known.
        writer: Option<&'static str>,
    },
    /// Two tensors that are the same parameter and differ.
    #[error("{path}: {} and {} are both {parameter}, with other numbers in each; remove the one that is out of date", .names[0], .names[1], path = .path.display())]
    NamedTwice {
        /// The checkpoint.
        path: PathBuf,
        /// The parameter.
        parameter: String,
        /// The tensors.
        names: [String; 2],
    },
    /// Weights within another dictionary.
    #[error("{path}: the weights lie in a dictionary of their own under `{key}`, as in a training run's checkpoint; save that one alone: torch.save(torch.load(FILE)[\"{key}\"], \"pytorch_model.bin\")", path = .path.display())]
    Nested {
        /// The checkpoint.
        path: PathBuf,
        /// The key of the dictionary.
        key: String,
    },
    /// An adapter that is still beside the weights it changes.
    #[error("{path}: holds a PEFT adapter that is not merged ({tensor}); merge it with merge_and_unload and save the result with save_pretrained", path = .path.display())]
    AdapterNotMerged {
        /// The checkpoint.
        path: PathBuf,
        /// One of its tensors.
        tensor: String,
    },
    /// Weights that are the codes of a quantizer.
    #[error("{path}: the weights are quantized by {scheme} ({tensor}), which is not read; take the checkpoint they were made from, or dequantize them and save as bf16", path = .path.display())]
    Quantized {
        /// The checkpoint.
        path: PathBuf,
        /// A tensor that shows it.
        tensor: String,
        /// What wrote it.
        scheme: &'static str,
    },
    /// A model with a head of its own whose files have none.
    #[error("{path}: the files hold no head ({}), and config.json does not tie it to the embedding; if the head is the embedding, set `tie_word_embeddings` to true, and else get the checkpoint of the language model and not of its base model", ten(.missing), path = .path.display())]
    HeadMissing {
        /// The checkpoint.
        path: PathBuf,
        /// The head's parameters.
        missing: Vec<String>,
    },
    /// A tied model whose files have a head of their own.
    #[error("{path}: the model is declared with its head tied to the embedding, but {head} differs from {embedding}; declare it with the configuration that `read_config` returns, or with `tie_word_embeddings` false", path = .path.display())]
    HeadDiffers {
        /// The checkpoint.
        path: PathBuf,
        /// The head.
        head: String,
        /// The embedding.
        embedding: String,
    },
    /// A tensor of another shape.
    #[error("{file}: {tensor}: expected {expected:?}, found {found:?}; was this checkpoint pruned? load it with its own config.json", file = .file.display())]
    TensorShape {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// The shape that config.json asks for.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor of a type that is not read.
    #[error("{file}: {tensor}: element type {found} is not read; convert the checkpoint to F32, F16 or BF16", file = .file.display())]
    TensorType {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// The type in the file.
        found: String,
    },
    /// A tensor with NaN or infinite numbers.
    #[error("{file}: {tensor}: number {index} is {value}; the checkpoint is damaged (or overflowed in half precision), get another copy", file = .file.display())]
    NotFinite {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// The first such number's index.
        index: usize,
        /// The number.
        value: f32,
    },
    /// A sound number that the type it is loaded as cannot hold.
    #[error("{file}: {tensor}: number {index} is {value}, which {held} holds and {wanted} cannot (half precision ends at 65504); the file is sound, load it with `dtype = bf16` or `dtype = f32`", file = .file.display())]
    OutOfRange {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// The first such number's index.
        index: usize,
        /// The number.
        value: f32,
        /// The type in the file.
        held: FloatType,
        /// The type asked for.
        wanted: FloatType,
    },
    /// A number that the type of its tensor cannot hold.
    #[error(
        "{tensor}: number {index} becomes {value}, which {element} cannot hold; convert the checkpoint to f32 or bf16 first"
    )]
    Overflow {
        /// The tensor.
        tensor: String,
        /// The number's index.
        index: usize,
        /// The number.
        value: f32,
        /// The type.
        element: FloatType,
    },
    /// A model that is not in the cache while the network may not be used.
    #[cfg(feature = "hub")]
    #[error("{id}: no such directory, and not a complete model in the cache {cache}; HF_HUB_OFFLINE is set: unset it, or give the directory of a checkpoint", cache = .cache.display())]
    HubOffline {
        /// The model as given.
        id: String,
        /// The cache.
        cache: PathBuf,
    },
    /// A model that cannot be fetched.
    #[cfg(feature = "hub")]
    #[error(
        "{id}: no such directory, and it cannot be fetched from the hub: {reason}; check the name and the network, set HF_TOKEN where the model is gated, or give the directory of a checkpoint"
    )]
    Hub {
        /// The model as given.
        id: String,
        /// What went wrong.
        reason: String,
    },
    /// A safetensors file that could not be written.
    #[error("{path}: writing the weights failed: {cause}; nothing was left behind, free some space or choose another place", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        cause: safetensors::SafeTensorError,
    },
    /// A model that is neither a directory, a GGUF file nor an id.
    #[error("{path}: no such model; give a checkpoint's directory, a .gguf file, or `owner/name` on the Hugging Face hub", path = .path.display())]
    NoModel {
        /// What was given.
        path: PathBuf,
    },
    /// A checkpoint whose files cannot be rewritten without loading them.
    #[error("{path}: only safetensors are rewritten file to file; convert the checkpoint first, or load it (`Checkpoint::load`) and save what comes of it", path = .path.display())]
    NotStreamable {
        /// The checkpoint.
        path: PathBuf,
    },
    /// A checkpoint that cannot be written in another format.
    #[error("{path}: cannot be exported: {reason}", path = .path.display())]
    NotExported {
        /// The checkpoint, or the file that was being written.
        path: PathBuf,
        /// Why not, and what to do where something can be done.
        reason: String,
    },
    /// A result that cannot be put where it is to go.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A text that cannot be continued.
    #[error(transparent)]
    Generation(#[from] GenerationError),
    /// Not a float type.
    #[error(transparent)]
    FloatTypeName(#[from] FloatTypeName),
    /// An error of the shared vocabulary.
    #[error(transparent)]
    Core(#[from] dress_core::Error),
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Io { path, doing, cause }
    }
}
