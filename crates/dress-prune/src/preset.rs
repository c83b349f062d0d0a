//! Published methods, each as its paper has it, under one interface.

use crate::counted::counted;
use crate::served::{ServedShapes, allocation_of};
use crate::{
    Allocation, AxisTarget, Budget, Compensation, Error, Measure, PerLayer, PruneConfig, Pruned,
    RegularizeConfig, best_basis, prune,
};
use dress_core::{AxisKind, Basis, Calibration, CausalLm, Progress, Ratio, StockTarget, parameters};
use dress_engines::EngineFormat;
use dress_importance::{Criteria, Criterion};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A published method. `docs/reference/options.md` says what each paper fixes and what had to be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Neurons and heads of the least L2 norm over all their weights: the structured baseline of LLM-Pruner
    /// (arXiv 2305.11627), after Han et al. (arXiv 1506.02626).
    Magnitude,
    /// Neurons and heads by Wanda's score (arXiv 2306.11695) summed by structure, as FLAP's authors made it
    /// structured (arXiv 2312.11983).
    WandaSp,
    /// FLAP (arXiv 2312.11983): weighted fluctuation, standardized, over all layers and both kinds of axis,
    /// and biases that take over the mean of what goes.
    Flap,
    /// LLM-Pruner (arXiv 2305.11627): element-wise first-order Taylor summed over each group of neurons and
    /// heads, the first and the last layers spared. Without its LoRA.
    LlmPruner,
    /// SliceGPT (arXiv 2401.15024) with one rotation for the whole model instead of one a layer, so that no
    /// adapters stay.
    SlicegptGlobal,
    /// SLEB (arXiv 2402.09025): whole layers, one after the other, each the one that the loss misses least.
    Sleb,
    /// ShortGPT (arXiv 2403.03853): the whole layers of least influence on the stream.
    Shortgpt,
    /// Minitron (arXiv 2407.14679), its width pruning: channels, neurons and heads by the size of their
    /// activations. Without its distillation.
    Minitron,
    /// DReSS (arXiv 2501.17905): channels that are regularized to zero before they are sliced.
    Dress,
}

/// How much goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Amount {
    /// A share of the parameters of the model as it is, whatever the method adds to it.
    Parameters(Ratio),
    /// A share of every axis that the method prunes.
    // Files say `width`, the name it had first, so that what was kept under it is found; both are read.
    #[serde(rename = "width", alias = "axes")]
    EveryAxis(Ratio),
}

/// What a preset is run with beside what its paper fixes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PresetSettings {
    /// How much goes.
    pub amount: Amount,
    /// Whose rules the shape keeps. Presets that treat layers differently need [`StockTarget::Dress`].
    pub stock: StockTarget,
    /// What kept counts are a multiple of.
    pub tile: usize,
    /// The engines that serve the result, each with a format: what stays is what all of them take in full.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "EngineFormat::serialize_whole")]
    pub served_by: Vec<EngineFormat>,
    /// Seed of whatever is drawn.
    pub seed: u64,
    /// The regularization of [`Preset::Dress`].
    pub regularize: RegularizeConfig,
    /// What [`Preset::Dress`] prunes.
    pub dress_axes: Vec<AxisKind>,
    /// By what [`Preset::Dress`] selects.
    pub dress_criterion: Criterion,
}

impl PresetSettings {
    /// The defaults, for these crates' own shapes, which come nearest to equal parameters.
    pub fn new(amount: Amount) -> Self {
        Self {
            amount,
            stock: StockTarget::Dress,
            tile: 1,
            served_by: Vec::new(),
            seed: 42,
            regularize: RegularizeConfig::default(),
            dress_axes: vec![AxisKind::Residual],
            dress_criterion: Criterion::ActivationNorm,
        }
    }
}

/// A preset on one model: what it prunes by, and how.
#[derive(Debug, Clone)]
pub struct PresetRun {
    /// What scores.
    pub criteria: Criteria,
    /// What goes.
    pub config: PruneConfig,
}

/// What a paper fixes.
struct Recipe {
    kinds: Vec<AxisKind>,
    criterion: Criterion,
    allocation: Allocation,
}

const NAMES: [(&str, Preset); 9] = [
    ("magnitude", Preset::Magnitude),
    ("wanda-sp", Preset::WandaSp),
    ("flap", Preset::Flap),
    ("llm-pruner", Preset::LlmPruner),
    ("slicegpt-global", Preset::SlicegptGlobal),
    ("sleb", Preset::Sleb),
    ("shortgpt", Preset::Shortgpt),
    ("minitron", Preset::Minitron),
    ("dress", Preset::Dress),
];

/// The layers that LLM-Pruner spares of LLaMA-7B's 32: the first 4 and the last 2.
const SPARED: [f64; 2] = [4.0 / 32.0, 2.0 / 32.0];

impl Preset {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Preset> {
        NAMES.into_iter().map(|(_, preset)| preset)
    }

    /// The name on the command line and in results.
    pub fn name(self) -> &'static str {
        NAMES.into_iter().find(|(_, preset)| *preset == self).map_or("", |(name, _)| name)
    }

    /// Whether it searches by running the calibration blocks through the model again and again.
    pub fn searches(self) -> bool {
        self == Preset::Sleb
    }

    /// Whether it trains.
    pub fn trains(self) -> bool {
        self == Preset::Dress
    }

    /// Whether it looks at calibration data.
    pub fn needs_calibration(self) -> bool {
        self != Preset::Magnitude
    }

    /// The coordinates in which it slices the width, where it prunes `kinds` of `model`.
    pub fn basis<M: CausalLm>(self, model: &M, kinds: &[AxisKind]) -> Basis {
        match self {
            Preset::SlicegptGlobal => Basis::Pca,
            Preset::Dress => best_basis(&model.coupling(), kinds),
            _ => Basis::Identity,
        }
    }

    fn compensation(self) -> Compensation {
        if self == Preset::Flap { Compensation::Bias } else { Compensation::None }
    }

    fn recipe(self, layers: usize, settings: &PresetSettings) -> Recipe {
        use AxisKind::{Depth, Ffn, Heads, Residual};
        let (kinds, criterion) = match self {
            Preset::Magnitude => (vec![Ffn, Heads], Criterion::MagnitudeL2),
            Preset::WandaSp => (vec![Ffn, Heads], Criterion::Wanda),
            Preset::Flap => (vec![Ffn, Heads], Criterion::Flap),
            Preset::LlmPruner => (vec![Ffn, Heads], Criterion::Taylor(Default::default())),
            Preset::SlicegptGlobal => (vec![Residual], Criterion::ActivationNorm),
            Preset::Sleb => (vec![Depth], Criterion::Sleb),
            Preset::Shortgpt => (vec![Depth], Criterion::BlockInfluence),
            Preset::Minitron => (vec![Residual, Ffn, Heads], Criterion::Minitron),
            Preset::Dress => (settings.dress_axes.clone(), settings.dress_criterion),
        };
        let allocation = match self {
            Preset::Flap => {
                let (tolerance, served_by) = (f64::INFINITY, settings.served_by.clone());
                Allocation::PerLayer(PerLayer { budget: None, tolerance, comparable: true, served_by })
            }
            Preset::LlmPruner => {
                let [first, last] = SPARED.map(|share| (share * layers as f64).round() as usize);
                Allocation::Sparing { first, last }
            }
            _ => Allocation::Uniform,
        };
        Recipe { kinds, criterion, allocation }
    }

    /// How this preset prunes `model`, which need not have its weights. Where no shape leaves the wanted
    /// share of the parameters, it is the nearest that does.
    ///
    /// # Errors
    /// [`dress_core::Error::AxisNotInModel`], those of [`Allocation::check`], and [`Error::BudgetOutOfReach`]
    /// where no shape is smaller than the model; where engines serve the result, [`Error::NoServedShape`] and
    /// [`Error::NotServed`].
    pub fn of<M: CausalLm>(self, model: &M, settings: &PresetSettings) -> Result<PresetRun, Error> {
        let Recipe { kinds, criterion, mut allocation } = self.recipe(model.num_layers(), settings);
        let (stock, tile, seed) = (settings.stock, settings.tile, settings.seed);
        let basis = self.basis(model, &kinds);
        allocation.check(stock)?;
        let target = |kind, ratio| AxisTarget::new(kind, ratio, tile);
        let targets = match (settings.amount, &mut allocation) {
            _ if !settings.served_by.is_empty() => {
                let counted = counted(model.clone(), basis, self.compensation());
                let differing = allocation != Allocation::Uniform;
                let shapes = ServedShapes::new([model, &counted], stock, tile, &settings.served_by)?;
                let shapes = shapes.differing(differing);
                let targets =
                    targets_as_served(&shapes, &kinds, settings.amount, &allocation, model.num_layers())?;
                match (settings.amount, &mut allocation) {
                    (Amount::Parameters(ratio), Allocation::PerLayer(per_layer)) => {
                        per_layer.budget = Some(budget(model, ratio));
                    }
                    (_, Allocation::Uniform) => allocation = allocation_of(model, &targets, stock)?,
                    _ => {}
                }
                targets
            }
            (Amount::EveryAxis(ratio), _) => kinds.iter().map(|&kind| target(kind, ratio)).collect(),
            (Amount::Parameters(ratio), Allocation::PerLayer(per_layer)) => {
                per_layer.budget = Some(budget(model, ratio));
                kinds.iter().map(|&kind| target(kind, ratio)).collect()
            }
            (Amount::Parameters(ratio), allocation) => {
                let spared = allocation.spared(model.num_layers());
                let counted = counted(model.clone(), basis, self.compensation());
                budget(model, ratio).targets_sparing(&counted, &kinds, stock, tile, &spared)?.targets
            }
        };
        let depth = targets.iter().find(|target: &&AxisTarget| target.kind == AxisKind::Depth);
        let criteria =
            Criteria::new(&[criterion], &kinds, seed).with_depth_ratio(depth.map(|target| target.ratio));
        let config = PruneConfig {
            basis,
            compensation: self.compensation(),
            regularize: self.trains().then(|| settings.regularize.clone()),
            stock,
            seed,
            allocation,
            ..PruneConfig::new(targets)
        };
        Ok(PresetRun { criteria, config })
    }
}

/// How much of each kind goes, by the sizes that the engines take.
fn targets_as_served<M: CausalLm>(
    shapes: &ServedShapes<'_, M>,
    kinds: &[AxisKind],
    amount: Amount,
    allocation: &Allocation,
    layers: usize,
) -> Result<Vec<AxisTarget>, Error> {
    let spared = allocation.spared(layers);
    let is_even = *allocation == Allocation::Uniform;
    if !is_even {
        shapes.check_differing(kinds)?;
    }
    match amount {
        Amount::EveryAxis(ratio) if is_even => {
            shapes.nearest(&kinds.iter().map(|&kind| (kind, ratio)).collect::<Vec<_>>())
        }
        Amount::Parameters(ratio) if !matches!(allocation, Allocation::PerLayer(_)) => {
            shapes.largest(kinds, Measure::Parameters, 1.0 - ratio.get(), &spared)
        }
        Amount::EveryAxis(ratio) | Amount::Parameters(ratio) => {
            kinds.iter().map(|&kind| Ok(AxisTarget::new(kind, ratio, shapes.step(kind)?))).collect()
        }
    }
}

/// What is left without `ratio` of what `model` has now.
fn budget<M: CausalLm>(model: &M, ratio: Ratio) -> Budget {
    Budget { measure: Measure::Parameters, left: (1.0 - ratio.get()) * parameters::count(model) as f64 }
}

impl PresetRun {
    /// Prunes the model that this was made for.
    ///
    /// # Errors
    /// Those of [`prune`].
    pub fn prune<M: CausalLm>(
        &self,
        model: M,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Result<Pruned<M>, Error> {
        prune(model, &self.criteria, calibration, &self.config, progress)
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, preset)| preset);
        found.ok_or_else(|| Error::PresetName {
            name: text.into(),
            known: NAMES.map(|(name, _)| name).join(", "),
        })
    }
}
