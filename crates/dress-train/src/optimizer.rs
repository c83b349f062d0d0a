//! Burn's optimizers behind one choice.

use crate::optimizer_state_device::Placed;
use crate::precision::{MasterWeights, Rounded};
use crate::{Error, Precision};
use dress_core::burn::module::ParamGroup;
use dress_core::burn::optim::decay::WeightDecayConfig;
use dress_core::burn::optim::momentum::MomentumConfig;
use dress_core::burn::optim::{
    AdafactorConfig, AdjustLrFn, ModuleOptimizer, MuonConfig, Optimizer, SgdConfig,
};
use dress_core::parameters::{self, NamedParameters};
use dress_kernels::FusedAdamW;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// AdamW's settings (arXiv 1711.05101); the defaults are those the field uses, not Burn's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdamW {
    /// The decay of the gradient's mean.
    pub beta_1: f64,
    /// The decay of the gradient's mean square.
    pub beta_2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.95, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// Which optimizer takes the steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerConfig {
    /// AdamW: two numbers of state a weight.
    AdamW(AdamW),
    /// Adafactor (arXiv 1804.04235) at the learning rate as it is, neither relative to the step nor to the
    /// weight's size: state for the rows and columns of a matrix alone, so that large models fit.
    Adafactor {
        /// Decoupled weight decay.
        weight_decay: f64,
    },
    /// Stochastic gradient descent.
    Sgd {
        /// The momentum; 0 for none.
        momentum: f64,
        /// Weight decay, added to the gradient.
        weight_decay: f64,
    },
    /// Muon (<https://kellerjordan.github.io/posts/muon/>) on the matrices inside the layers, its steps as
    /// large as AdamW's would be (arXiv 2502.16982), so that the same learning rate does; AdamW on everything
    /// else.
    Muon {
        /// The momentum, Nesterov's.
        momentum: f64,
        /// Decoupled weight decay of the matrices.
        weight_decay: f64,
        /// The settings of everything else.
        rest: AdamW,
    },
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        OptimizerConfig::AdamW(AdamW::default())
    }
}

impl OptimizerConfig {
    /// The optimizer of `model`, without any state.
    pub fn init<M: NamedParameters>(&self, model: &M, precision: Precision) -> ModuleOptimizer {
        match *self {
            OptimizerConfig::AdamW(settings) => whole(settings.fused(), precision),
            OptimizerConfig::Adafactor { weight_decay } => {
                let config = AdafactorConfig::new().with_relative_step(false).with_scale_parameter(false);
                whole(config.with_weight_decay(weight_decay as f32).build(), precision)
            }
            OptimizerConfig::Sgd { momentum, weight_decay } => {
                let momentum = momentum_of(momentum, false);
                let config = SgdConfig::new().with_momentum(momentum).with_weight_decay(decay(weight_decay));
                whole(config.build(), precision)
            }
            OptimizerConfig::Muon { momentum, weight_decay, rest } => {
                let mut config = MuonConfig::new()
                    .with_weight_decay(decay(weight_decay))
                    .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW);
                if let Some(momentum) = momentum_of(momentum, true) {
                    config = config.with_momentum(momentum);
                }
                let optimizer = whole(rest.fused(), precision);
                on_group(optimizer, hidden_matrices(model), config.build(), precision)
            }
        }
    }

    /// Checks that the settings make sense.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<(), Error> {
        let share = "it has to be at least 0 and below 1";
        let positive = "it has to be 0 or a positive number";
        // The arithmetic is single, in which 1 - 1e-9 is 1 and 1e-60 is nothing.
        let below_one = |setting, value: f64| match value >= 0.0 && (value as f32) < 1.0 {
            true => Ok(()),
            false => Err(Error::Setting { setting, value, expected: share }),
        };
        let not_negative = |setting, value: f64| match value >= 0.0 && (value as f32).is_finite() {
            true => Ok(()),
            false => Err(Error::Setting { setting, value, expected: positive }),
        };
        let above_zero = |setting, value: f64| match value as f32 {
            single if single > 0.0 && single <= 1.0 => Ok(()),
            _ => {
                Err(Error::Setting { setting, value, expected: "it has to be from 1e-38 to 1, such as 1e-8" })
            }
        };
        let adamw = |settings: &AdamW| {
            below_one("beta_1", settings.beta_1)?;
            below_one("beta_2", settings.beta_2)?;
            above_zero("epsilon", settings.epsilon)?;
            not_negative("weight decay", settings.weight_decay)
        };
        match self {
            OptimizerConfig::AdamW(settings) => adamw(settings),
            OptimizerConfig::Adafactor { weight_decay } => not_negative("weight decay", *weight_decay),
            OptimizerConfig::Sgd { momentum, weight_decay } => {
                below_one("momentum", *momentum).and(not_negative("weight decay", *weight_decay))
            }
            OptimizerConfig::Muon { momentum, weight_decay, rest } => {
                below_one("momentum", *momentum)?;
                not_negative("weight decay", *weight_decay)?;
                adamw(rest)
            }
        }
    }

    /// The weight decay, the greatest where there are several.
    pub(crate) fn weight_decay(&self) -> f64 {
        match self {
            OptimizerConfig::AdamW(settings) => settings.weight_decay,
            OptimizerConfig::Adafactor { weight_decay } | OptimizerConfig::Sgd { weight_decay, .. } => {
                *weight_decay
            }
            OptimizerConfig::Muon { weight_decay, rest, .. } => weight_decay.max(rest.weight_decay),
        }
    }

    /// The same with another weight decay, of everything that has one.
    #[must_use]
    pub fn with_weight_decay(mut self, decay: f64) -> Self {
        match &mut self {
            OptimizerConfig::AdamW(settings) => settings.weight_decay = decay,
            OptimizerConfig::Adafactor { weight_decay } | OptimizerConfig::Sgd { weight_decay, .. } => {
                *weight_decay = decay;
            }
            OptimizerConfig::Muon { weight_decay, rest, .. } => {
                (*weight_decay, rest.weight_decay) = (decay, decay);
            }
        }
        self
    }
}

impl AdamW {
    /// Burn's AdamW, its arithmetic in one pass where that is to be had.
    fn fused(&self) -> FusedAdamW {
        let betas = [self.beta_1 as f32, self.beta_2 as f32];
        FusedAdamW::new(betas, self.epsilon as f32, self.weight_decay as f32)
    }
}

/// The matrices that Muon is for: those inside the layers, embeddings and the head excluded.
fn hidden_matrices<M: NamedParameters>(model: &M) -> ParamGroup {
    let inside =
        |p: &parameters::ParameterInfo| p.shape.len() == 2 && parameters::layer_of(&p.name).is_some();
    ParamGroup::from_ids(parameters::list(model).into_iter().filter(inside).map(|p| p.id).collect())
}

fn whole<O: Optimizer>(optimizer: O, precision: Precision) -> ModuleOptimizer {
    match precision {
        Precision::AsIs => Placed(Rounded { optimizer, at_random: false }).into(),
        Precision::MasterWeights => Placed(MasterWeights(optimizer)).into(),
        Precision::StochasticRounding => Placed(Rounded { optimizer, at_random: true }).into(),
    }
}

fn on_group<O: Optimizer>(
    whole: ModuleOptimizer,
    group: ParamGroup,
    optimizer: O,
    precision: Precision,
) -> ModuleOptimizer {
    match precision {
        Precision::AsIs => whole.with_group(group, Placed(Rounded { optimizer, at_random: false }), None),
        Precision::MasterWeights => whole.with_group(group, Placed(MasterWeights(optimizer)), None),
        Precision::StochasticRounding => {
            whole.with_group(group, Placed(Rounded { optimizer, at_random: true }), None)
        }
    }
}

fn momentum_of(momentum: f64, nesterov: bool) -> Option<MomentumConfig> {
    (momentum > 0.0).then_some(MomentumConfig { momentum, dampening: 0.0, nesterov })
}

fn decay(penalty: f64) -> Option<WeightDecayConfig> {
    (penalty > 0.0).then(|| WeightDecayConfig::new(penalty as f32))
}

impl OptimizerConfig {
    /// The names of all optimizers, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 4] = ["adamw", "adafactor", "sgd", "muon"];
}

impl fmt::Display for OptimizerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OptimizerConfig::AdamW(_) => "adamw",
            OptimizerConfig::Adafactor { .. } => "adafactor",
            OptimizerConfig::Sgd { .. } => "sgd",
            OptimizerConfig::Muon { .. } => "muon",
        })
    }
}

impl FromStr for OptimizerConfig {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "adamw" => Ok(OptimizerConfig::default()),
            "adafactor" => Ok(OptimizerConfig::Adafactor { weight_decay: 0.0 }),
            "sgd" => Ok(OptimizerConfig::Sgd { momentum: 0.9, weight_decay: 0.0 }),
            "muon" => Ok(OptimizerConfig::Muon { momentum: 0.95, weight_decay: 0.0, rest: AdamW::default() }),
            _ => Err(Error::Name {
                what: "optimizer",
                name: text.into(),
                known: "adamw, adafactor, sgd or muon",
            }),
        }
    }
}
