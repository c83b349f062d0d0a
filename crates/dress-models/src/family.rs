//! What a family of models has to offer for its checkpoints to be read, rewritten and saved.

use crate::Error;
use burn::tensor::Device;
use dress_core::CausalLm;
use serde_json::{Map, Value};
use std::path::Path;

/// A family of models that checkpoints hold: a configuration in, the model that it declares, and the
/// configuration out.
///
/// Whatever reads, rewrites and writes files asks for this and nothing else:
/// [`checkpoint`](crate::checkpoint), [`CheckpointParts`](crate::CheckpointParts) and
/// [`Checkpoint`](crate::Checkpoint). The coupling map and the parts are [`CausalLm`]'s.
/// [`AnyModel`](crate::AnyModel) is the family that picks one of those built here; one that is not is
/// implemented by its own crate.
///
/// # Examples
/// A configuration that is read makes a model without weights, and a model says its configuration:
///
/// ```
/// use dress_core::burn::tensor::Device;
/// use dress_models::{Family, opt::OptForCausalLm};
///
/// let text = r#"{"model_type":"opt","vocab_size":9,"hidden_size":8,"ffn_dim":12,"num_hidden_layers":2,
///     "num_attention_heads":2,"word_embed_proj_dim":8}"#;
/// let model = OptForCausalLm::from_config(text, "config.json".as_ref(), &Device::flex())?;
/// assert!(Family::config_json(&model, "float32").contains(r#""hidden_size": 8"#));
/// # Ok::<(), dress_models::Error>(())
/// ```
pub trait Family: CausalLm {
    /// What the family's files call the tensors that have to be known by name.
    const NAMES: TensorNames = TensorNames::HUGGING_FACE;

    /// The model that the text of a `config.json` declares, its weights not yet allocated. `path` is only
    /// named in errors.
    ///
    /// # Errors
    /// [`Error::ConfigUnreadable`], [`Error::ConfigUnsupported`], and [`Error::ConfigRefused`] for a family's
    /// own causes.
    fn from_config(text: &str, path: &Path, device: &Device) -> Result<Self, Error>;

    /// The text of the `config.json` of the model as it is, with the type of its weights in PyTorch's name.
    fn config_json(&self, torch_dtype: &str) -> String;

    /// The tensors of the family's files that hold several parameters. By default every parameter is a tensor
    /// of its own.
    ///
    /// What reads and writes files takes such a tensor apart and puts it together; nothing else knows of it.
    fn fused(&self) -> Vec<FusedTensor> {
        Vec::new()
    }

    /// What the keys of a `config.json` say of the head. By default it is the embedding where
    /// `tie_word_embeddings` is true.
    fn declared_head(config: &Map<String, Value>) -> DeclaredHead {
        DeclaredHead::by_key(config, false)
    }
}

/// A tensor of the files that holds several parameters, the rows of one behind those of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FusedTensor {
    /// Its name in the files.
    pub name: String,
    /// The parameters, in the order of their rows.
    pub parts: Vec<String>,
}

/// What a configuration says of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclaredHead {
    /// It has weights of its own.
    Own,
    /// It is the embedding. One that files hold all the same with other numbers goes before what the
    /// configuration says.
    Tied,
    /// It is the embedding, and the family has none that is: whatever head files hold is read.
    TiedUnlessFiled,
}

impl DeclaredHead {
    /// The key of `config.json` that ties the head to the embedding.
    pub const KEY: &str = "tie_word_embeddings";

    /// What [`DeclaredHead::KEY`] says, or where it is not there what the family takes for granted.
    pub fn by_key(config: &Map<String, Value>, tied_by_default: bool) -> Self {
        let tied = match config.get(Self::KEY) {
            Some(value) => value.as_bool() == Some(true),
            None => tied_by_default,
        };
        if tied { DeclaredHead::Tied } else { DeclaredHead::Own }
    }

    /// [`DeclaredHead::by_key`] of a family whose head has weights of its own alone.
    pub fn by_key_of_own(config: &Map<String, Value>) -> Self {
        match Self::by_key(config, false) {
            DeclaredHead::Tied => DeclaredHead::TiedUnlessFiled,
            head => head,
        }
    }
}

/// The names of the tensors that are more than parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TensorNames {
    /// What parameters' names begin with, one of these, and a file's may lack or have twice.
    pub prefixes: &'static [&'static str],
    /// The weight of a head that is not the embedding, one of these.
    pub heads: &'static [&'static str],
    /// How the name of the embedding's weight ends, in one of these.
    pub embeddings: &'static [&'static str],
}

impl TensorNames {
    /// Those of the families here and of most others in `transformers`.
    pub const HUGGING_FACE: Self = Self {
        prefixes: &["model.", "gpt_neox."],
        heads: &["lm_head.weight", "embed_out.weight"],
        embeddings: &["embed_tokens.weight", "embed_in.weight"],
    };

    /// The parameters that a tensor's name may mean, the likeliest first.
    pub(crate) fn meanings(self, found: &str) -> impl Iterator<Item = String> {
        let bare = self.stripped(found).map(str::to_string);
        let prefixed = self.prefixes.iter().map(move |prefix| format!("{prefix}{found}"));
        bare.into_iter().chain(prefixed).chain([found.to_string()])
    }

    /// The name without the prefix that it begins with, if it does.
    pub(crate) fn stripped(self, name: &str) -> Option<&str> {
        self.prefixes.iter().find_map(|prefix| name.strip_prefix(prefix))
    }

    /// Whether a tensor is the weight of the head.
    pub(crate) fn is_head(self, found: &str) -> bool {
        self.heads.contains(&self.stripped(found).unwrap_or(found))
    }

    /// Whether a parameter is one of the head's, its bias for one.
    pub(crate) fn is_of_head(self, parameter: &str) -> bool {
        self.heads.iter().any(|weight| {
            let head = weight.rsplit_once('.').map_or(*weight, |(head, _)| head);
            parameter.strip_prefix(head).is_some_and(|rest| rest.starts_with('.'))
        })
    }

    /// Whether a tensor is the weight of the embedding.
    pub(crate) fn is_embedding(self, name: &str) -> bool {
        self.embeddings.iter().any(|embedding| name.ends_with(embedding))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ties_the_head_and_a_default_where_it_is_not_there() {
        let head = |text: &str, default| {
            DeclaredHead::by_key(&serde_json::from_str::<Map<_, _>>(text).unwrap(), default)
        };
        assert_eq!(head(r#"{"tie_word_embeddings":true}"#, false), DeclaredHead::Tied);
        assert_eq!(head(r#"{"tie_word_embeddings":false}"#, true), DeclaredHead::Own);
        assert_eq!([head("{}", false), head("{}", true)], [DeclaredHead::Own, DeclaredHead::Tied]);
    }

    #[test]
    fn the_head_is_known_by_the_names_of_its_family() {
        let theirs = TensorNames { prefixes: &[], heads: &["head.weight"], embeddings: &["embed.weight"] };
        assert!(theirs.is_head("head.weight") && theirs.is_of_head("head.bias"));
        assert!(!theirs.is_head("lm_head.weight") && !theirs.is_of_head("header.weight"));
        let ours = TensorNames::HUGGING_FACE;
        assert!(ours.is_head("model.lm_head.weight") && ours.is_of_head("lm_head.bias"));
        assert!(ours.is_head("embed_out.weight") && !ours.is_head("embed_in.weight"));
    }
}
