//! A model of whichever family its `config.json` says.

use crate::checkpoint::{LoadConfig, load_model, read_config_of};
use crate::decoder::{self, DecoderForCausalLm, FamilyRules};
use crate::gpt_neox::GptNeoxForCausalLm;
use crate::opt::OptForCausalLm;
use crate::phi::PhiForCausalLm;
use crate::{DeclaredHead, Error, Family, FusedTensor, experts};
use burn::module::Module;
use burn::tensor::Device;
use dress_core::causal_lm_of_variants;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Which model a `model_type` is built as.
#[derive(Clone, Copy)]
enum Built {
    Decoder,
    GptNeox,
    Opt,
    Phi,
}

impl Built {
    /// What `model_type` is built as, if it is.
    fn of(model_type: Option<&str>) -> Option<Self> {
        match model_type {
            Some("gpt_neox") => Some(Self::GptNeox),
            Some("opt") => Some(Self::Opt),
            Some("phi") => Some(Self::Phi),
            Some(other) => FamilyRules::of(other).map(|_| Self::Decoder),
            None => None,
        }
    }

    /// Every `model_type` that is built.
    fn model_types() -> String {
        let decoders = decoder::FAMILIES.map(FamilyRules::model_type);
        [&decoders[..], &["gpt_neox", "opt", "phi"]].concat().join(", ")
    }
}

/// A model of any family.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum AnyModel {
    /// LLaMA, Mistral, Qwen, Gemma and what else is built like them.
    Decoder(DecoderForCausalLm),
    /// GPT-NeoX and Pythia.
    GptNeox(GptNeoxForCausalLm),
    /// OPT.
    Opt(OptForCausalLm),
    /// Phi-1, Phi-1.5 and Phi-2.
    Phi(PhiForCausalLm),
}

causal_lm_of_variants!(AnyModel { Decoder, GptNeox, Opt, Phi });

impl AnyModel {
    /// Loads a Hugging Face directory.
    ///
    /// # Errors
    /// [`Error::ModelType`] for a family that is not built, [`Error::Experts`] for one of experts, and those
    /// of [`DecoderConfig::from_json`](crate::decoder::DecoderConfig::from_json) and its like, and
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
        let model_type = found.get("model_type").and_then(Value::as_str);
        match Built::of(model_type) {
            Some(Built::Decoder) => Family::from_config(text, path, device).map(AnyModel::Decoder),
            Some(Built::GptNeox) => Family::from_config(text, path, device).map(AnyModel::GptNeox),
            Some(Built::Opt) => Family::from_config(text, path, device).map(AnyModel::Opt),
            Some(Built::Phi) => Family::from_config(text, path, device).map(AnyModel::Phi),
            None => Err(not_built(path, model_type.unwrap_or("nothing"), &found)),
        }
    }

    fn config_json(&self, torch_dtype: &str) -> String {
        match self {
            AnyModel::Decoder(model) => model.config_json(torch_dtype),
            AnyModel::GptNeox(model) => model.config_json(torch_dtype),
            AnyModel::Opt(model) => model.config_json(torch_dtype),
            AnyModel::Phi(model) => model.config_json(torch_dtype),
        }
    }

    fn fused(&self) -> Vec<FusedTensor> {
        match self {
            AnyModel::Decoder(model) => model.fused(),
            AnyModel::GptNeox(model) => model.fused(),
            AnyModel::Opt(model) => model.fused(),
            AnyModel::Phi(model) => model.fused(),
        }
    }

    fn declared_head(config: &Map<String, Value>) -> DeclaredHead {
        match Built::of(config.get("model_type").and_then(Value::as_str)) {
            Some(Built::Decoder) => DecoderForCausalLm::declared_head(config),
            Some(Built::GptNeox) => GptNeoxForCausalLm::declared_head(config),
            Some(Built::Opt) => OptForCausalLm::declared_head(config),
            Some(Built::Phi) => PhiForCausalLm::declared_head(config),
            None => DeclaredHead::by_key(config, false),
        }
    }
}

/// The error for a family that is not built.
fn not_built(path: &Path, model_type: &str, config: &Value) -> Error {
    let (path, found) = (path.into(), model_type.to_string());
    match experts::are_in_config(model_type, config) {
        true => Error::Experts { path, found },
        false => Error::ModelType { path, found, built: Built::model_types() },
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
        let decoders = [DecoderForCausalLm::NAMES, GptNeoxForCausalLm::NAMES];
        let others = [OptForCausalLm::NAMES, PhiForCausalLm::NAMES];
        assert_eq!([decoders, others], [[AnyModel::NAMES; 2]; 2]);
    }

    #[test]
    fn a_family_that_is_not_built_is_named_and_one_of_experts_told_apart() {
        let of_text = |text: &str| {
            AnyModel::from_config(text, Path::new("config.json"), &Device::flex()).unwrap_err().to_string()
        };
        let message = |model_type: &str| of_text(&format!(r#"{{"model_type":"{model_type}"}}"#));
        let by_name = "mixtral qwen3_moe olmoe dbrx jamba qwen3_next deepseek_v32 deepseek_v4 minimax_m2 llama4 dots1 flex_olmo \
                       longcat_flash mimo_v2_flash solar_open kimi_linear mistral4";
        for model_type in by_name.split_whitespace() {
            let said = message(model_type);
            assert!(said.contains(model_type) && said.contains("mixture of experts"), "{said}");
        }
        let said = of_text(r#"{"model_type":"nemotron_h","n_routed_experts":128}"#);
        assert!(said.contains("`nemotron_h` is a mixture of experts"), "{said}");
        let said = message("mamba");
        assert!(
            said.contains("`mamba`")
                && said.contains("llama, mistral, qwen2, qwen3, phi3, smollm3, granite, olmo2, gemma2, gemma3_text, gpt_neox, opt, phi"),
            "{said}"
        );
    }
}
