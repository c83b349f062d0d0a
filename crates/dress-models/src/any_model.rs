//! A model of whichever family its `config.json` says.

use crate::Error;
use crate::checkpoint::{self, LoadConfig};
use crate::llama::{LlamaConfig, LlamaForCausalLm};
use crate::opt::{OptConfig, OptForCausalLm};
use crate::phi::{PhiConfig, PhiForCausalLm};
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use dress_core::parameters::{Layout, NamedParameters, ParameterPlace};
use dress_core::{CausalLm, CouplingMap, Forward, Part, Selection, StockTarget};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

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

impl AnyModel {
    /// Loads a Hugging Face directory.
    ///
    /// # Errors
    /// [`Error::ModelType`] for a family that is not built, and those of
    /// [`LlamaConfig::from_json`] and its like, and [`checkpoint::load`].
    pub fn load(directory: &Path, config: &LoadConfig, device: &Device) -> Result<Self, Error> {
        let (text, path) = checkpoint::read_config(directory)?;
        let declared = Self::from_config(&text, &path, device)?;
        checkpoint::load(declared, directory, config, device)
    }

    /// A model of the family and shape of a `config.json`, its weights not yet allocated.
    ///
    /// # Errors
    /// As [`AnyModel::load`], of the configuration alone.
    pub fn from_config(text: &str, path: &Path, device: &Device) -> Result<Self, Error> {
        let unreadable = |source| Error::ConfigUnreadable { path: path.into(), source };
        let found: Value = serde_json::from_str(text).map_err(unreadable)?;
        match found.get("model_type").and_then(Value::as_str) {
            Some("llama") => {
                let config = LlamaConfig::from_json(text, path)?;
                Ok(AnyModel::Llama(LlamaForCausalLm::new(config, device)))
            }
            Some("opt") => {
                let config = OptConfig::from_json(text, path)?;
                Ok(AnyModel::Opt(OptForCausalLm::new(config, device)))
            }
            Some("phi") => {
                let config = PhiConfig::from_json(text, path)?;
                Ok(AnyModel::Phi(PhiForCausalLm::new(config, device)))
            }
            other => Err(Error::ModelType {
                path: path.into(),
                found: other.unwrap_or("nothing").into(),
                built: MODEL_TYPES.join(", "),
            }),
        }
    }

    /// The text of the model's `config.json`.
    pub fn config_json(&self, torch_dtype: &str) -> String {
        match self {
            AnyModel::Llama(model) => model.config().to_json(torch_dtype),
            AnyModel::Opt(model) => model.config().to_json(torch_dtype),
            AnyModel::Phi(model) => model.config().to_json(torch_dtype),
        }
    }
}

/// Calls the same method of whichever family it is.
macro_rules! each {
    ($self:ident, $model:ident => $call:expr) => {
        match $self {
            AnyModel::Llama($model) => $call,
            AnyModel::Opt($model) => $call,
            AnyModel::Phi($model) => $call,
        }
    };
}

impl NamedParameters for AnyModel {
    fn layout(&self, place: &ParameterPlace<'_>) -> Layout {
        each!(self, model => model.layout(place))
    }
}

impl CausalLm for AnyModel {
    fn architecture(&self) -> &str {
        each!(self, model => model.architecture())
    }
    fn num_layers(&self) -> usize {
        each!(self, model => model.num_layers())
    }
    fn vocab_size(&self) -> usize {
        each!(self, model => model.vocab_size())
    }
    fn max_positions(&self) -> usize {
        each!(self, model => model.max_positions())
    }
    fn coupling(&self) -> CouplingMap {
        each!(self, model => model.coupling())
    }
    fn embed(&self, tokens: Tensor<2, Int>, pass: &mut Forward<'_>) -> Tensor<3> {
        each!(self, model => model.embed(tokens, pass))
    }
    fn layer(&self, index: usize, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        each!(self, model => model.layer(index, hidden, pass))
    }
    fn head(&self, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        each!(self, model => model.head(hidden, pass))
    }
    fn head_loss(&self, hidden: Tensor<3>, targets: Tensor<2, Int>, pass: &mut Forward<'_>) -> Tensor<1> {
        each!(self, model => model.head_loss(hidden, targets, pass))
    }
    fn slice_factors(&self, selection: &Selection) -> BTreeMap<String, f64> {
        each!(self, model => model.slice_factors(selection))
    }
    fn untied(self) -> Self {
        match self {
            AnyModel::Llama(model) => AnyModel::Llama(model.untied()),
            AnyModel::Opt(model) => AnyModel::Opt(model.untied()),
            AnyModel::Phi(model) => AnyModel::Phi(model.untied()),
        }
    }
    fn biased(self) -> Self {
        match self {
            AnyModel::Llama(model) => AnyModel::Llama(model.biased()),
            AnyModel::Opt(model) => AnyModel::Opt(model.biased()),
            AnyModel::Phi(model) => AnyModel::Phi(model.biased()),
        }
    }
    fn is_in_part(&self, parameter: &str, part: Part) -> bool {
        each!(self, model => model.is_in_part(parameter, part))
    }
    fn check_stock(&self, selection: &Selection, target: StockTarget) -> Result<(), dress_core::Error> {
        each!(self, model => model.check_stock(selection, target))
    }
    fn resized(self, selection: &Selection) -> Result<Self, dress_core::Error> {
        match self {
            AnyModel::Llama(model) => model.resized(selection).map(AnyModel::Llama),
            AnyModel::Opt(model) => model.resized(selection).map(AnyModel::Opt),
            AnyModel::Phi(model) => model.resized(selection).map(AnyModel::Phi),
        }
    }
}
