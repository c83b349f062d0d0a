//! A model of whichever family its `config.json` says.

use crate::checkpoint::{LoadConfig, load_model, read_config_of};
use crate::llama::LlamaForCausalLm;
use crate::opt::OptForCausalLm;
use crate::phi::PhiForCausalLm;
use crate::{DeclaredHead, Error, Family};
use burn::module::Module;
use burn::tensor::Device;
use dress_core::causal_lm_of_variants;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The families this crate builds, by `model_type`.
const MODEL_TYPES: &[&str] = &["llama", "opt", "phi"];

/// A model of any family.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum AnyModel {
    /// LLaMA-2, LLaMA-3 and whatever else is `LlamaForCausalLM`.
    Llama(LlamaForCausalLm),
    /// OPT.
    Opt(OptForCausalLm),
    /// Phi-1, Phi-1.5 and Phi-2.
    Phi(PhiForCausalLm),
}

causal_lm_of_variants!(AnyModel { Llama, Opt, Phi });

impl AnyModel {
    /// Loads a Hugging Face directory.
    ///
    /// # Errors
    /// [`Error::ModelType`] for a family that is not built, and those of
    /// [`LlamaConfig::from_json`](crate::llama::LlamaConfig::from_json) and its like, and
    /// [`load`](crate::checkpoint::load).
    pub fn load(directory: &Path, config: &LoadConfig, device: &Device) -> Result<Self, Error> {
        load_model(directory, config, device)
    }

    /// A model of the family and shape of a `config.json`, its weights not yet allocated.
    ///
    /// # Errors
    /// As [`AnyModel::load`], of the configuration alone.
    ///
    /// # Examples
    /// ```
    /// use dress_core::{CausalLm, burn::tensor::Device};
    /// use dress_models::AnyModel;
    ///
    /// let text = r#"{"model_type":"phi","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
    ///     "num_attention_heads":4,"partial_rotary_factor":0.5}"#;
    /// let model = AnyModel::from_config(text, "config.json".as_ref(), &Device::flex())?;
    /// assert_eq!(model.architecture(), "PhiForCausalLM");
    /// # Ok::<(), dress_models::Error>(())
    /// ```
    pub fn from_config(text: &str, path: &Path, device: &Device) -> Result<Self, Error> {
        Family::from_config(text, path, device)
    }

    /// The text of the model's `config.json`.
    pub fn config_json(&self, torch_dtype: &str) -> String {
        Family::config_json(self, torch_dtype)
    }
}

impl Family for AnyModel {
    fn from_config(text: &str, path: &Path, device: &Device) -> Result<Self, Error> {
        let unreadable = |cause| Error::ConfigUnreadable { path: path.into(), cause };
        let found: Value = serde_json::from_str(text).map_err(unreadable)?;
        match found.get("model_type").and_then(Value::as_str) {
            Some("llama") => Family::from_config(text, path, device).map(AnyModel::Llama),
            Some("opt") => Family::from_config(text, path, device).map(AnyModel::Opt),
            Some("phi") => Family::from_config(text, path, device).map(AnyModel::Phi),
            other => Err(Error::ModelType {
                path: path.into(),
                found: other.unwrap_or("nothing").into(),
                built: MODEL_TYPES.join(", "),
            }),
        }
    }

    fn config_json(&self, torch_dtype: &str) -> String {
        match self {
            AnyModel::Llama(model) => model.config_json(torch_dtype),
            AnyModel::Opt(model) => model.config_json(torch_dtype),
            AnyModel::Phi(model) => model.config_json(torch_dtype),
        }
    }

    fn declared_head(config: &Map<String, Value>) -> DeclaredHead {
        match config.get("model_type").and_then(Value::as_str) {
            Some("llama") => LlamaForCausalLm::declared_head(config),
            Some("opt") => OptForCausalLm::declared_head(config),
            Some("phi") => PhiForCausalLm::declared_head(config),
            _ => DeclaredHead::by_key(config, false),
        }
    }
}

/// [`read_config_of`] one of the families here.
///
/// # Errors
/// Those of [`read_config_of`].
pub fn read_config(directory: &Path) -> Result<(String, PathBuf), Error> {
    read_config_of::<AnyModel>(directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The names of the functions of the block that a line starts.
    fn functions(source: &str, start: &str) -> BTreeSet<String> {
        let inside = source.lines().skip_while(|line| *line != start).skip(1).take_while(|line| *line != "}");
        let name = |line: &str| Some(line.strip_prefix("    fn ")?.split_once(['(', '<'])?.0.to_string());
        inside.filter_map(name).collect()
    }

    #[test]
    fn what_a_family_overrides_is_not_lost() {
        let declared = functions(include_str!("family.rs"), "pub trait Family: CausalLm {");
        assert!(declared.contains("declared_head"));
        assert_eq!(declared, functions(include_str!("any_model.rs"), "impl Family for AnyModel {"));
        // One name for all, as which of them it is is not known before the names are needed.
        let each = [LlamaForCausalLm::NAMES, OptForCausalLm::NAMES, PhiForCausalLm::NAMES];
        assert_eq!(each, [AnyModel::NAMES; 3]);
    }
}
