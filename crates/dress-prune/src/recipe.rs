//! What a user asks for, before anything that follows from the model is settled.

use crate::costs::Costs;
use crate::counted::counted;
use crate::{
    AxisTarget, Budget, Compensation, Error, Measure, Protected, RatioOf, RegularizeConfig, Sizes, TOLERANCE,
    best_basis,
};
use dress_core::{
    Axis, AxisKind, AxisSelection, Basis, CausalLm, Draw, Penalty, Ratio, Selection, SlicePlan, StockTarget,
    seqlen_or,
};
use dress_engines::EngineFormat;
use dress_importance::Criterion;
use dress_train::{CheckpointEvery, Precision, RunDirectory};
use std::path::PathBuf;

/// How much goes.
#[derive(Debug, Clone, PartialEq)]
pub enum HowMuch {
    /// The share of each axis that goes: one share for all axes, or one for each in their order.
    Ratios(Vec<Ratio>),
    /// The share of each kind of axis that goes, in all layers or in some; the recipe's axes are the kinds
    /// that are named.
    RatiosOf(Vec<RatioOf>),
    /// The share of what is counted that stays, in `(0, 1)`, shared out over the axes.
    Stays {
        /// What is counted.
        measure: Measure,
        /// The share of it that stays.
        share: f64,
    },
    /// The share of what is counted that stays, in `(0, 1)`; of which layers' neurons and heads the rest goes
    /// is found by what the loss feels of them ([`Search`](crate::Search)). The recipe's axes are the kinds
    /// that may go, or without any all that can be searched.
    Searched {
        /// What is counted.
        measure: Measure,
        /// The share of it that stays.
        share: f64,
    },
    /// The least that stays with a perplexity on blocks held back of at most so many times the whole model's;
    /// found as in [`HowMuch::Searched`].
    Within {
        /// What is counted.
        measure: Measure,
        /// The perplexity over the whole model's, above 1.
        times: f64,
    },
    /// What a plan selected that was made before of the same checkpoint; the recipe's axes, criteria, basis
    /// and allocation are the plan's.
    Planned(Box<SlicePlan>),
}

/// How the text is drawn that a run looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Blocks of tokens.
    pub samples: usize,
    /// Tokens a block; without one [`Sampling::USUAL_SEQLEN`], or what the model has positions for.
    pub seqlen: Option<usize>,
    /// How they are drawn.
    pub draw: Draw,
}

impl HowMuch {
    /// Whether a search finds what goes.
    pub fn is_searched(&self) -> bool {
        matches!(self, HowMuch::Searched { .. } | HowMuch::Within { .. })
    }
}

impl Sampling {
    /// Tokens a block where nothing is said.
    pub const USUAL_SEQLEN: usize = 1024;

    /// Tokens a block for `model`.
    ///
    /// # Errors
    /// [`dress_core::Error::TooLong`] where the model has not that many positions.
    pub fn seqlen<M: CausalLm>(&self, model: &M) -> Result<usize, Error> {
        Ok(seqlen_or(self.seqlen, Self::USUAL_SEQLEN, model.max_positions())?)
    }
}

impl Default for Sampling {
    fn default() -> Self {
        Self { samples: 64, seqlen: None, draw: Draw::Blocks }
    }
}

/// What should go of a model, and how. What is left open follows from the model in [`Recipe::resolve`].
///
/// This is what `dress prune` runs: [`Recipe::new`] has the command's defaults, and the command only sets
/// fields.
///
/// ```
/// use dress_core::{AxisKind, Basis, Ratio};
/// use dress_prune::{HowMuch, Recipe};
///
/// let recipe = Recipe::new(vec![AxisKind::Residual], HowMuch::Ratios(vec![Ratio::new(0.25)?]));
/// assert_eq!((recipe.basis, recipe.sampling.samples), (None, 64));
/// # Ok::<(), dress_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The kinds of axes of which something goes, each once.
    pub axes: Vec<AxisKind>,
    /// How much.
    pub how_much: HowMuch,
    /// What scores; nothing for [`Criterion::ActivationNorm`], and [`Criterion::BlockInfluence`] for whole
    /// layers. A search needs no scores: structures go by what it expects the loss to feel of them, unless
    /// criteria are given.
    pub criteria: Vec<Criterion>,
    /// The coordinates in which the width is sliced; without any [`best_basis`], or the checkpoint's own
    /// where criteria are given.
    pub basis: Option<Basis>,
    /// How projections make up for neurons and heads that go.
    pub compensation: Compensation,
    /// The regularization; without one, what goes is cut as it is.
    pub regularize: Option<RegularizeConfig>,
    /// The regularization's highest learning rate; without one
    /// [`usual_learning_rate`](crate::usual_learning_rate) of the basis.
    pub learning_rate: Option<f64>,
    /// How steps are taken that the weights' type cannot express; without it [`Precision::of_weights`].
    pub precision: Option<Precision>,
    /// Rounds of score, regularize and slice.
    pub rounds: usize,
    /// Whose rules the shape of the result keeps.
    pub stock: StockTarget,
    /// What kept counts are a multiple of, beside what the family's config wants.
    pub tile: usize,
    /// The engines, each with a format, that serve the result: what stays is what all of them take in full,
    /// and a budget of bytes is of bytes as they serve them. Without any, `sizes` says what stays.
    pub served_by: Vec<EngineFormat>,
    /// Which sizes stay where no engine is named, the target is [`StockTarget::All`] and no tile is given;
    /// elsewhere those that were asked for do.
    pub sizes: Sizes,
    /// Whether layers may differ.
    pub per_layer: bool,
    /// What stays, whatever its scores.
    pub protected: Protected,
    /// How the calibration text is drawn.
    pub sampling: Sampling,
    /// Seed of whatever is drawn.
    pub seed: u64,
    /// The file in which a search keeps what it has found so far, to go on from; without one it keeps
    /// nothing.
    pub search_file: Option<PathBuf>,
}

impl Recipe {
    /// The recommended run: what goes is regularized before it is cut. Where a search finds what goes
    /// ([`HowMuch::is_searched`]), projections are refitted to what stays instead, and nothing is trained;
    /// fine-tuning the result is a run of its own.
    ///
    /// # Examples
    /// ```
    /// # use dress_core::burn::tensor::Device;
    /// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
    /// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
    /// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
    /// use dress_core::burn::tensor::DType;
    /// use dress_core::{AxisKind, Basis, Ratio};
    /// use dress_prune::{HowMuch, Recipe};
    ///
    /// // What is left open follows from the model: here the basis, as its head is not the embedding.
    /// let recipe = Recipe::new(vec![AxisKind::Residual], HowMuch::Ratios(vec![Ratio::new(0.25)?]));
    /// let resolved = recipe.resolve(&model, DType::F32)?;
    /// assert_eq!(recipe.basis(&model), Basis::Pca);
    /// assert!(resolved.config.regularize.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(axes: Vec<AxisKind>, how_much: HowMuch) -> Self {
        let axes = match &how_much {
            HowMuch::RatiosOf(ratios) if axes.is_empty() => RatioOf::of_kinds(ratios).into_keys().collect(),
            _ => axes,
        };
        let (compensation, regularize) = match how_much.is_searched() {
            true => (Compensation::Ridge, None),
            false => (Compensation::None, Some(Self::usual_regularization())),
        };
        Self {
            axes,
            how_much,
            criteria: Vec::new(),
            basis: None,
            compensation,
            regularize,
            learning_rate: None,
            precision: None,
            rounds: 1,
            stock: StockTarget::All,
            tile: 1,
            served_by: Vec::new(),
            sizes: Sizes::default(),
            per_layer: false,
            protected: Protected::default(),
            sampling: Sampling::default(),
            seed: 42,
            search_file: None,
        }
    }

    /// The recommended run where a search finds what goes of whatever can be searched.
    pub fn searched(measure: Measure, share: f64) -> Self {
        Self::new(Vec::new(), HowMuch::Searched { measure, share })
    }

    /// The same where the search finds how much goes too: the smallest model within so many times the
    /// perplexity.
    pub fn within(measure: Measure, times: f64) -> Self {
        Self::new(Vec::new(), HowMuch::Within { measure, times })
    }

    /// How a recommended run regularizes, with what it keeps of its steps in a run's directory.
    fn usual_regularization() -> RegularizeConfig {
        let mut regularize = RegularizeConfig::default();
        regularize.train.checkpoint_every = Some(CheckpointEvery::Spaced);
        regularize
    }

    /// The same with a penalty of your own on the weights. Where nothing would be regularized, the
    /// recommended regularization has it.
    ///
    /// # Examples
    /// ```
    /// # use dress_core::burn::tensor::Device;
    /// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
    /// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
    /// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
    /// use dress_core::burn::tensor::{DType, Tensor};
    /// use dress_core::{AxisKind, Calibration, Error, NoProgress, Penalty, Ratio};
    /// use dress_prune::{HowMuch, PenaltyForm, Recipe};
    ///
    /// /// The sum over structures of the largest weight's size.
    /// struct Largest;
    ///
    /// impl Penalty for Largest {
    ///     fn name(&self) -> &str {
    ///         "largest"
    ///     }
    ///     fn value(&self, groups: Tensor<2>) -> Result<Tensor<1>, Error> {
    ///         Ok(groups.abs().max_dim(1).sum())
    ///     }
    /// }
    ///
    /// let half = HowMuch::Ratios(vec![Ratio::new(0.5)?]);
    /// let mut recipe = Recipe::new(vec![AxisKind::Ffn], half).penalized_by(Largest);
    /// // It has no proximal step.
    /// recipe.regularize.as_mut().expect("it regularizes").form = PenaltyForm::Loss;
    /// let calibration = Calibration::from_blocks(vec![vec![1, 2, 3, 4]; 4]);
    /// let pruned = recipe.resolve(&model, DType::F32)?.prune(model, &calibration, &NoProgress)?;
    /// assert!(pruned.report.curve.iter().all(|point| point.penalty > 0.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn penalized_by(self, penalty: impl Penalty + 'static) -> Self {
        let regularize = self.regularize.unwrap_or_else(Self::usual_regularization);
        Self { regularize: Some(regularize.penalized_by(penalty)), ..self }
    }

    /// The same, with nothing regularized before it is cut.
    #[must_use]
    pub fn without_training(self) -> Self {
        Self { regularize: None, ..self }
    }

    /// The same, kept in `directory` while it goes on: the steps of its regularization and what its search
    /// has found. A run of this recipe that was interrupted goes on from there.
    #[must_use]
    pub fn in_directory(mut self, directory: &RunDirectory) -> Self {
        if let Some(regularize) = &mut self.regularize {
            regularize.train.run_dir = Some(directory.path().into());
        }
        self.search_file = Some(directory.search());
        self
    }

    /// The basis in which the width is sliced, where the model need not be known for it.
    pub fn given_basis(&self) -> Option<Basis> {
        match (&self.how_much, self.basis) {
            (HowMuch::Planned(plan), _) => Some(plan.basis),
            (_, Some(basis)) => Some(basis),
            _ => (!self.criteria.is_empty()).then_some(Basis::Identity),
        }
    }

    /// The basis in which the width of `model` is sliced. The model need not have its weights.
    pub fn basis<M: CausalLm>(&self, model: &M) -> Basis {
        self.given_basis().unwrap_or_else(|| best_basis(&model.coupling(), &self.axes))
    }

    /// The budget, where what stays is given as a share of something that is counted; of bytes as engines
    /// serve them, where engines serve the result. `model` need not have its weights.
    pub(crate) fn budget<M: CausalLm>(&self, model: &M) -> Option<Budget> {
        match self.how_much {
            HowMuch::Stays { measure, share } | HowMuch::Searched { measure, share } => {
                Some(Budget::share_as_served(model, measure, share, &self.served_by))
            }
            _ => None,
        }
    }

    /// How much of each axis goes of `model`, which need not have its weights; in a basis that unties the
    /// head, and with biases that make up for what goes, they are counted. Sizes are those of
    /// [`Recipe::sizes`].
    ///
    /// # Errors
    /// [`Error::AxesAndRatios`], [`Error::AxisTwice`], [`Error::NothingSelected`], [`Error::DepthPerLayer`]
    /// and, with a budget, those of [`Budget::targets_within`]; where engines serve the result,
    /// [`Error::NoServedShape`] and [`Error::NotServed`].
    pub fn targets<M: CausalLm>(&self, model: &M) -> Result<Vec<AxisTarget>, Error> {
        Ok(self.sized_targets(model)?.0)
    }

    /// The same, whatever quantizers take.
    pub(crate) fn targets_as_asked<M: CausalLm>(&self, model: &M) -> Result<Vec<AxisTarget>, Error> {
        let (axes, tile) = (&self.axes, self.tile);
        if let Some(index) = (1..axes.len()).find(|&index| axes[..index].contains(&axes[index])) {
            return Err(Error::AxisTwice { axis: axes[index] });
        }
        if self.per_layer && axes.contains(&AxisKind::Depth) {
            return Err(Error::DepthPerLayer);
        }
        if !self.served_by.is_empty() {
            return self.targets_as_served(model);
        }
        match (&self.how_much, self.budget(model)) {
            // The plan says of what, and how much.
            (HowMuch::Planned(_), _) => Ok(Vec::new()),
            (HowMuch::Searched { .. } | HowMuch::Within { .. }, _) => {
                let kinds = self.searched_kinds(model)?;
                kinds.into_iter().map(|kind| Ok(AxisTarget::new(kind, Ratio::new(0.0)?, tile))).collect()
            }
            (HowMuch::Ratios(ratios), _) => self.by_ratios(ratios),
            (HowMuch::RatiosOf(ratios), _) => self.by_ratios_of(ratios),
            // The scores say how much of each.
            (_, Some(_)) if self.per_layer => {
                axes.iter().map(|&kind| Ok(AxisTarget::new(kind, Ratio::new(0.0)?, tile))).collect()
            }
            (_, budget) => {
                let budget = budget.ok_or(Error::NothingSelected)?;
                let counted = counted(model.clone(), self.basis(model), self.compensation);
                let spared: Vec<usize> = self.protected.layers.iter().copied().collect();
                let fit = budget.targets_sparing(&counted, axes, self.stock, tile, &spared)?;
                match fit.off() <= TOLERANCE {
                    true => Ok(fit.targets),
                    false => {
                        let whole = Costs::new(&counted, budget.measure).whole();
                        Err(budget.out_of_reach(whole, Some(fit.left)))
                    }
                }
            }
        }
    }

    /// The kinds of axes that a search looks at.
    pub(crate) fn searched_kinds<M: CausalLm>(&self, model: &M) -> Result<Vec<AxisKind>, Error> {
        let searchable = [AxisKind::Ffn, AxisKind::Heads];
        if let Some(kind) = self.axes.iter().find(|kind| !searchable.contains(kind)) {
            return Err(Error::NotSearchable { axis: kind.to_string() });
        }
        let in_full = |kind: AxisKind| kind != AxisKind::Heads || self.takes_any_heads(model);
        if !self.axes.is_empty() {
            let open = self.axes.iter().find(|&&kind| !in_full(kind));
            return match open {
                Some(kind) => Err(Error::NotSearchable { axis: kind.to_string() }),
                None => Ok(self.axes.clone()),
            };
        }
        let kinds = searchable.into_iter().filter(|&kind| self.may_go_alone(model, kind) && in_full(kind));
        let kinds: Vec<AxisKind> = kinds.collect();
        if kinds.is_empty() {
            // Says what the target does not take, if it takes not even the model as it is.
            model.check_stock(&Selection::new(), self.stock)?;
            return Err(Error::NothingSelected);
        }
        Ok(kinds)
    }

    /// Whether the target takes `model` with less of one kind of axis and all of the others.
    fn may_go_alone<M: CausalLm>(&self, model: &M, kind: AxisKind) -> bool {
        let map = model.coupling();
        let less = |axis: Axis| {
            let slots = map.axis(axis).ok()?;
            let kept = slots.len.checked_sub(slots.multiple_of.of(self.stock)).filter(|kept| *kept > 0)?;
            Some((axis, AxisSelection::new(slots.len, (kept..slots.len).collect()).ok()?))
        };
        let axes = map.of_kind(kind).unwrap_or_default();
        let selected: Option<Vec<_>> = axes.into_iter().map(less).collect();
        selected.filter(|axes| !axes.is_empty()).is_some_and(|axes| {
            let selection =
                axes.into_iter().fold(Selection::new(), |all, (axis, chosen)| all.with(axis, chosen));
            model.check_stock(&selection, self.stock).is_ok()
        })
    }
}
