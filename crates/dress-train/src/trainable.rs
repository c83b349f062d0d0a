//! Which weights a run moves.

use crate::{Error, Regularization, StepInfo};
use dress_core::burn::module::{Lora, Module, ParamGroup};
use dress_core::burn::tensor::{Distribution, Tensor};
use dress_core::parameters::{self, Layout, ParameterInfo, ParameterMapper};
use dress_core::{CausalLm, burn::module::ParamId};
use serde::{Deserialize, Serialize};

/// Low-rank factors beside frozen matrices, `W + (alpha / rank) A B` (Hu et al. 2021, arXiv 2106.09685).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoraConfig {
    /// Columns of `A` and rows of `B`.
    pub rank: usize,
    /// What the product is multiplied by, times the rank.
    pub alpha: f64,
    /// The share of the inputs of every `A` that is left out of a step, the others being made up for it.
    /// Unlike in the paper's code it is the same inputs for all tokens of the step, since factors are put
    /// together before they meet any.
    pub dropout: f64,
    /// The projections that have factors, by the last part of their names, such as `q_proj`; all matrices
    /// inside the layers where there is none.
    pub targets: Vec<String>,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self::of_rank(16)
    }
}

/// Which weights a run moves.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trainable {
    /// All of them.
    #[default]
    All,
    /// Low-rank factors, which are merged in the end.
    Lora(LoraConfig),
}

impl LoraConfig {
    /// Factors of that rank beside all matrices inside the layers, multiplied by two, without dropout.
    pub fn of_rank(rank: usize) -> Self {
        Self { rank, alpha: 2.0 * rank as f64, dropout: 0.0, targets: Vec::new() }
    }

    /// Checks that the settings make sense.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<(), Error> {
        if self.rank == 0 {
            return Err(Error::Setting {
                setting: "lora_rank",
                value: 0.0,
                expected: "it has to be at least 1",
            });
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let expected = "it has to be at least 0 and below 1";
            return Err(Error::Setting { setting: "lora_dropout", value: self.dropout, expected });
        }
        if !(self.alpha >= 1e-6 && self.alpha <= 1e10) {
            let expected = "it has to be a positive number up to 1e10, such as twice the rank";
            return Err(Error::Setting { setting: "lora_alpha", value: self.alpha, expected });
        }
        Ok(())
    }

    /// The matrices of `model` that have factors.
    ///
    /// # Errors
    /// [`Error::NoSuchTarget`] where a target names none, and [`Error::LoraRank`] where none of them has that
    /// rank.
    fn matrices<M: CausalLm>(&self, model: &M) -> Result<Vec<ParamId>, Error> {
        let list = parameters::list(model);
        let inside = |p: &&ParameterInfo| p.shape.len() == 2 && parameters::layer_of(&p.name).is_some();
        let projection = |p: &ParameterInfo| p.name.rsplit('.').nth(1).unwrap_or_default().to_string();
        for target in &self.targets {
            if !list.iter().filter(inside).any(|p| projection(p) == *target) {
                let mut known: Vec<String> = list.iter().filter(inside).map(projection).collect();
                known.sort();
                known.dedup();
                return Err(Error::NoSuchTarget { target: target.clone(), known });
            }
        }
        let wanted = |p: &&ParameterInfo| self.targets.is_empty() || self.targets.contains(&projection(p));
        let chosen: Vec<&ParameterInfo> = list.iter().filter(inside).filter(wanted).collect();
        let most = chosen.iter().filter_map(|p| p.shape.iter().min().copied()).max().unwrap_or(0);
        if self.rank > most {
            return Err(Error::LoraRank { rank: self.rank, most });
        }
        Ok(chosen.into_iter().map(|p| p.id).collect())
    }
}

impl Trainable {
    /// `model` with that trained and everything else frozen. What is drawn follows from `seed`.
    ///
    /// # Errors
    /// [`Error::NoSuchTarget`] and [`Error::LoraRank`].
    pub(crate) fn attach<M: CausalLm>(&self, model: M, seed: u64) -> Result<M, Error> {
        let Trainable::Lora(config) = self else { return Ok(model) };
        let group = ParamGroup::from_ids(config.matrices(&model)?);
        model.device().seed(seed);
        Ok(model.apply_lora(Lora::new(config.rank, config.alpha).set_param_group(group)))
    }

    /// `model` with everything merged, and nothing frozen.
    pub(crate) fn merge<M: Module>(&self, model: M) -> M {
        match self {
            Trainable::All => model,
            Trainable::Lora(_) => model.materialize().unfreeze(),
        }
    }

    /// Whether the optimizer's state outlives a slice: factors are made anew.
    pub(crate) fn keeps_state(&self) -> bool {
        *self == Trainable::All
    }
}

/// Leaves inputs of the factors out of each step.
#[derive(Debug, Clone, Copy)]
pub struct LoraDropout(pub f64);

impl<M: CausalLm> Regularization<M> for LoraDropout {
    fn view(&self, model: &M, _step: &StepInfo) -> Option<M> {
        (self.0 > 0.0).then(|| parameters::derive(model, &mut Dropping(self.0)))
    }
}

struct Dropping(f64);

impl ParameterMapper for Dropping {
    fn map<const D: usize>(&mut self, name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
        if !name.ends_with(".lora.a") {
            return value;
        }
        let mut inputs = [1; D];
        inputs[0] = value.dims()[0];
        let keep = 1.0 - self.0;
        let mask = Tensor::<D>::random(inputs, Distribution::Bernoulli(keep), &value.device());
        let dtype = value.dtype();
        value * (mask / keep).cast(dtype)
    }
}
