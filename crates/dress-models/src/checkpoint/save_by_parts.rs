//! From a model of which one part at a time is in memory to files.

use super::directory::{shard_name, write, write_index};
use super::fused_tensors::written_into;
use super::save::{Outgoing, write_companions, write_shard};
use super::{FloatType, SaveConfig, SaveReport, Staging, Weights};
use crate::{Error, Family};
use dress_core::Selection;
use dress_core::parameters::NamedParameters;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// A Hugging Face directory that is written one file at a time, beside its place and renamed when complete.
/// Dropped before that, it leaves nothing.
///
/// # Examples
/// A model whose layer and whose ends are written apart:
///
/// ```
/// use dress_core::{Fingerprint, burn::tensor::Device, parameters};
/// use dress_models::checkpoint::{LoadConfig, SaveByParts, SaveConfig, load_model};
/// use dress_models::opt::{OptConfig, OptForCausalLm};
///
/// let text = r#"{"model_type":"opt","vocab_size":32,"hidden_size":16,"ffn_dim":24,"num_hidden_layers":1,
///     "num_attention_heads":4}"#;
/// let config = OptConfig::from_json(text, "config.json".as_ref())?;
/// let model = OptForCausalLm::new(config, &Device::flex());
/// let directory = tempfile::tempdir().expect("a place for temporary files");
/// let place = directory.path().join("model");
/// let mut saving = SaveByParts::begin(&model, &place, SaveConfig::default(), 2)?;
/// let of_layer = |name: &str| parameters::layer_of(name).is_some();
/// saving.add(&model, &|name| of_layer(name).then(|| name.into()))?;
/// saving.add(&model, &|name| (!of_layer(name)).then(|| name.into()))?;
/// assert_eq!(saving.finish()?.shards, 2);
/// let again: OptForCausalLm = load_model(&place, &LoadConfig::default(), &Device::flex())?;
/// assert_eq!(Fingerprint::of(&again), Fingerprint::of(&model));
/// # Ok::<(), dress_models::Error>(())
/// ```
pub struct SaveByParts {
    staging: Staging,
    place: PathBuf,
    config: SaveConfig,
    dtype: FloatType,
    files: usize,
    written: usize,
    /// By parameter, the tensor of the files that holds it with others.
    fused: HashMap<String, String>,
    /// Which file holds which tensor.
    index: BTreeMap<String, String>,
    bytes: u64,
}

impl SaveByParts {
    /// Begins the checkpoint of `model`, which need not have its weights, in `files` files.
    ///
    /// # Errors
    /// As [`save`](super::save()).
    pub fn begin<F: Family>(
        model: &F,
        place: &Path,
        config: SaveConfig,
        files: usize,
    ) -> Result<Self, Error> {
        model.check_stock(&Selection::new(), config.target)?;
        let stage = if config.keep { Staging::beside } else { Staging::new };
        let staging = stage(place, config.source.as_deref(), config.force)?;
        let source = config.source.as_deref().map(Weights::open).transpose()?;
        let dtype = config.dtype.or(source.as_ref().and_then(|s| s.float_type())).unwrap_or_default();
        write(&staging.path().join("config.json"), &model.config_json(dtype.torch_name()))?;
        let (index, bytes, written, place) = (BTreeMap::new(), 0, 0, place.into());
        let fused = written_into(model);
        Ok(Self { staging, place, config, dtype, files, written, fused, index, bytes })
    }

    /// With further files, by name, and what the model card says, which may be known only when the weights
    /// are.
    #[must_use]
    pub fn with_files(mut self, extra_files: Vec<(String, String)>, model_card: Option<String>) -> Self {
        (self.config.extra_files, self.config.model_card) = (extra_files, model_card);
        self
    }

    /// Writes the next file: the parameters of `model` for which there is a `name` in the files. The others
    /// need not have their values. Parameters that one tensor of the files holds together have to be in one
    /// file.
    ///
    /// # Errors
    /// [`Error::Write`] (a full disk, say), [`Error::Overflow`] and [`Error::Io`].
    ///
    /// # Panics
    /// Where that many files are written already.
    pub fn add<M: NamedParameters>(
        &mut self,
        model: &M,
        name: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), Error> {
        assert!(self.written < self.files, "{} files were asked for", self.files);
        let shard = Outgoing::of(model, self.dtype, &self.fused, name);
        let file = shard_name(self.written, self.files);
        self.bytes += shard.iter().map(|tensor| tensor.size() as u64).sum::<u64>();
        self.index.extend(shard.iter().map(|tensor| (tensor.name.clone(), file.clone())));
        write_shard(&self.staging.path().join(file), &shard)?;
        self.written += 1;
        Ok(())
    }

    /// Puts the complete checkpoint in its place.
    ///
    /// # Errors
    /// [`Error::Io`], and [`OutputError::NotPlaced`](super::OutputError::NotPlaced), which says where the
    /// result is.
    ///
    /// # Panics
    /// Where files are missing.
    pub fn finish(self) -> Result<SaveReport, Error> {
        assert_eq!(self.written, self.files, "files are missing");
        if self.files > 1 {
            write_index(self.staging.path(), self.bytes, &self.index)?;
        }
        let source = self.config.source.as_deref().map(Weights::open).transpose()?;
        write_companions(source.as_ref(), &self.config, self.staging.path(), &self.place)?;
        self.staging.commit()?;
        Ok(SaveReport { bytes: self.bytes, shards: self.files })
    }
}
