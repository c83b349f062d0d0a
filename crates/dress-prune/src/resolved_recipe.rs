//! A recipe with everything settled that follows from the model, and the run of it.

use crate::counted::counted;
use crate::regularize::split_to_regularize;
use crate::search::{Known, Order, Searched};
use crate::served::allocation_of;
use crate::{
    Allocation, AxisTarget, Compensation, Error, Goal, HowMuch, PerLayer, PruneConfig, Pruned, RatioOf,
    Recipe, RegularizeConfig, Search, SizeRounding, TOLERANCE, axes, check_served, prune, prune_as_planned,
    prune_in_rounds, usual_learning_rate,
};
use dress_core::burn::tensor::DType;
use dress_core::{
    AxisKind, Basis, Calibration, CausalLm, Progress, Scorer, Scores, Selection, SlicePlan, StockTarget,
};
use dress_engines::EngineFormat;
use dress_importance::Criteria;
use dress_train::Precision;
use std::path::PathBuf;

/// A recipe in which nothing is open: what a run of it does.
#[derive(Debug, Clone)]
pub struct ResolvedRecipe {
    /// What scores.
    pub criteria: Criteria,
    /// What goes, and how it is prepared.
    pub config: PruneConfig,
    /// Rounds of score, regularize and slice.
    pub rounds: usize,
    /// The plan that says what goes, where one was made before.
    pub plan: Option<SlicePlan>,
    /// The search that finds what goes, where there is one; the targets say of which kinds of axes.
    pub search: Option<Search>,
    /// The file in which it keeps what it has found so far.
    pub search_file: Option<PathBuf>,
    /// The engines that serve the result.
    pub served_by: Vec<EngineFormat>,
    /// What became of the sizes that were asked for where usual quantizers do not take them, by
    /// [`Recipe::sizes`].
    pub size_rounding: Option<SizeRounding>,
}

impl Recipe {
    /// Settles what is open for `model`, which need not have its weights; they are of type `weights` when it
    /// is pruned.
    ///
    /// # Errors
    /// Those of [`Recipe::targets`], of [`Criteria::check`], of [`Allocation::check`], of
    /// [`RegularizeConfig::check`] and of [`CausalLm::check_stock`]; [`Error::CriterionUnused`],
    /// [`Error::CompensationUnused`] and [`Error::NothingToRegularize`].
    pub fn resolve<M: CausalLm>(&self, model: &M, weights: DType) -> Result<ResolvedRecipe, Error> {
        let basis = self.basis(model);
        let regularize = self.regularization(basis, weights);
        self.check_compensation()?;
        let (targets, size_rounding) = self.sized_targets(model)?;
        let chosen_together =
            !self.served_by.is_empty() || size_rounding.as_ref().is_some_and(SizeRounding::is_rounded);
        let criteria = self.scorers(&targets, basis)?;
        let allocation = match self.allocation(model, &criteria)? {
            Allocation::Uniform if chosen_together => allocation_of(model, &targets, self.stock)?,
            allocation => allocation,
        };
        let config = PruneConfig {
            targets,
            basis,
            regularize,
            compensation: self.compensation,
            stock: self.stock,
            seed: self.seed,
            allocation,
            served_by: self.served_by.iter().map(ToString::to_string).collect(),
            protected: self.protected.clone(),
        };
        self.check_protected()?;
        config.check_protected(&model.coupling())?;
        let plan = match &self.how_much {
            HowMuch::Planned(plan) => Some((**plan).clone()),
            _ => None,
        };
        config.check_local()?;
        let search = self.search(model)?;
        if search.is_some() && self.rounds > 1 {
            return Err(Error::SearchInRounds);
        }
        Ok(ResolvedRecipe {
            criteria,
            config,
            rounds: self.rounds,
            plan,
            search,
            search_file: self.search_file.clone(),
            served_by: self.served_by.clone(),
            size_rounding,
        })
    }

    /// Checks that what is to stay goes with how the rest is chosen.
    fn check_protected(&self) -> Result<(), Error> {
        let (where_, remedy) = match self.protected.is_empty() {
            true => return Ok(()),
            false if self.how_much.is_searched() && !self.protected.layers.is_empty() && !self.per_layer => {
                ("by layers where a search gives all of them one size", "give `per_layer` too")
            }
            false if self.rounds > 1 => {
                ("in several rounds, after each of which the rest is numbered anew", "give `rounds = 1`")
            }
            false => return Ok(()),
        };
        Err(Error::ProtectedNowhere { where_, remedy })
    }

    fn search<M: CausalLm>(&self, model: &M) -> Result<Option<Search>, Error> {
        let goal = match (&self.how_much, self.budget(model)) {
            (HowMuch::Searched { .. }, Some(budget)) => Goal::Budget(budget),
            (&HowMuch::Within { measure, times }, _) => Goal::Perplexity { measure, times },
            _ => return Ok(None),
        };
        if self.per_layer && self.stock != StockTarget::Dress {
            return Err(Error::LayersDiffer { target: self.stock });
        }
        let seqlen = self.sampling.seqlen(model)?;
        Ok(Some(Search {
            goal,
            stock: self.stock,
            tile: self.tile_of_neurons(model)?,
            per_layer: self.per_layer,
            order: if self.criteria.is_empty() { Order::Expected } else { Order::Scores },
            held_back: Search::blocks_to_hold_back(seqlen),
            blocks: Search::blocks_to_look_at(seqlen),
            served_by: self.served_by.clone(),
        }))
    }

    fn regularization(&self, basis: Basis, weights: DType) -> Option<RegularizeConfig> {
        let mut settings = self.regularize.clone()?;
        settings.train.learning_rate.peak = self.learning_rate.unwrap_or_else(|| usual_learning_rate(basis));
        settings.train.precision = self.precision.unwrap_or_else(|| Precision::of_weights(weights));
        settings.train.seed = self.seed;
        Some(settings)
    }

    fn check_compensation(&self) -> Result<(), Error> {
        let made_up_for = |kind: &AxisKind| [AxisKind::Ffn, AxisKind::Heads].contains(kind);
        let open = self.how_much.is_searched() || matches!(self.how_much, HowMuch::Planned(_));
        if self.compensation == Compensation::None || open || self.axes.iter().any(made_up_for) {
            return Ok(());
        }
        Err(Error::CompensationUnused { compensation: self.compensation.to_string() })
    }

    /// What scores `targets`; in another basis than the checkpoint's, all but the width.
    ///
    /// # Errors
    /// [`Error::CriterionUnused`] and those of [`Criteria::check`].
    pub fn scorers(&self, targets: &[AxisTarget], basis: Basis) -> Result<Criteria, Error> {
        let by_energy = |kind: &AxisKind| basis != Basis::Identity && *kind == AxisKind::Residual;
        // A search finds its axes among the targets' kinds.
        let searched = self.how_much.is_searched();
        let chosen: Vec<AxisKind> =
            if searched { targets.iter().map(|target| target.kind).collect() } else { self.axes.clone() };
        let kinds: Vec<AxisKind> = chosen.into_iter().filter(|kind| !by_energy(kind)).collect();
        let scores_a_width = kinds.iter().any(|kind| *kind != AxisKind::Depth);
        let unused = self.criteria.iter().find(|criterion| !scores_a_width && !criterion.scores_depth());
        if let Some(criterion) = unused.filter(|_| self.axes.iter().any(by_energy)) {
            return Err(Error::CriterionUnused { criterion: criterion.to_string(), basis });
        }
        Criteria::check(&self.criteria, &kinds)?;
        let depth = targets.iter().find(|target| target.kind == AxisKind::Depth).map(|target| target.ratio);
        Ok(Criteria::new(&self.criteria, &kinds, self.seed).with_depth_ratio(depth))
    }

    fn allocation<M: CausalLm>(&self, model: &M, criteria: &Criteria) -> Result<Allocation, Error> {
        if let HowMuch::RatiosOf(ratios) = &self.how_much
            && !RatioOf::of_layers(ratios).is_empty()
        {
            return self.by_layer(model, ratios);
        }
        if !self.per_layer || self.how_much.is_searched() {
            return Ok(Allocation::Uniform);
        }
        let (budget, comparable) = (self.budget(model), criteria.is_comparable());
        let served_by = self.served_by.clone();
        let allocation =
            Allocation::PerLayer(PerLayer { budget, tolerance: TOLERANCE, comparable, served_by });
        allocation.check(self.stock)?;
        Ok(allocation)
    }

    /// Where layers have ratios of their own, each its own.
    fn by_layer<M: CausalLm>(&self, model: &M, ratios: &[RatioOf]) -> Result<Allocation, Error> {
        let (own, map) = (RatioOf::of_layers(ratios), model.coupling());
        // A ratio of a layer that is not there would be one of nothing.
        own.keys().try_for_each(|&axis| map.axis(axis).map(|_| ()))?;
        let with = match (self.per_layer, self.rounds > 1, self.served_by.is_empty()) {
            (true, ..) => "`per_layer`",
            (_, true, _) => "several `rounds`",
            (.., false) => "sizes that engines take in full (`served_by`)",
            _ => {
                let allocation = Allocation::ByLayer(own);
                allocation.check(self.stock)?;
                return Ok(allocation);
            }
        };
        Err(Error::LayerRatiosWith { with })
    }
}

impl ResolvedRecipe {
    /// Checks what can be told of a run on `model` before it begins. The model need not have its weights.
    ///
    /// # Errors
    /// Those of [`RegularizeConfig::check`] and of [`CausalLm::check_stock`]; [`Error::NothingSelected`] and
    /// [`Error::NothingToRegularize`]; where engines serve the result, those of [`check_served`].
    pub fn check<M: CausalLm>(&self, model: &M) -> Result<(), Error> {
        if let Some(settings) = &self.config.regularize {
            settings.check()?;
        }
        match self.known_selection(model)? {
            Some(selection) => self.check_selection(model, &selection),
            None => Ok(()),
        }
    }

    /// Whether a run keeps anything on its way that it can go on from.
    pub fn is_kept(&self) -> bool {
        self.config.regularize.is_some() || (self.search.is_some() && self.search_file.is_some())
    }

    /// How many structures of which axes go, where that is known before anything is scored: a plan's
    /// selection, or as many structures, whichever they are.
    ///
    /// # Errors
    /// Those of [`select`](crate::select()).
    pub fn known_selection<M: CausalLm>(&self, model: &M) -> Result<Option<Selection>, Error> {
        match &self.plan {
            Some(plan) => Ok(Some(plan.selection.clone())),
            None if self.search.is_some() => Ok(None),
            None => match self.config.allocation {
                Allocation::Uniform | Allocation::Together | Allocation::ByLayer(_) => {
                    self.as_many(model).map(Some)
                }
                // How much of what goes is in the scores.
                _ => Ok(None),
            },
        }
    }

    /// What looks at calibration data, where anything does.
    pub fn looks_at_data(&self) -> Option<String> {
        self.looks_at_data_with(self.criteria.name(), self.criteria.needs_calibration())
    }

    fn looks_at_data_with(&self, scorer: &str, scorer_does: bool) -> Option<String> {
        let PruneConfig { basis, regularize, compensation, .. } = &self.config;
        if *basis != Basis::Identity {
            return Some(format!("the basis {basis}"));
        }
        if self.search.is_some() {
            return Some("the search".into());
        }
        if self.plan.is_none() && scorer_does {
            return Some(scorer.into());
        }
        if regularize.is_some() {
            return Some("regularization".into());
        }
        (*compensation != Compensation::None).then(|| format!("the compensation {compensation}"))
    }

    /// Prunes the model that this was resolved for.
    ///
    /// # Errors
    /// Those of [`ResolvedRecipe::prune_scored_by`].
    ///
    /// # Examples
    /// ```
    /// # use dress_core::burn::tensor::Device;
    /// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
    /// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
    /// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
    /// use dress_core::burn::tensor::DType;
    /// use dress_core::{AxisKind, Calibration, NoProgress, Ratio, parameters};
    /// use dress_prune::{HowMuch, Recipe};
    ///
    /// let recipe = Recipe::new(vec![AxisKind::Ffn], HowMuch::Ratios(vec![Ratio::new(0.25)?])).without_training();
    /// let calibration = Calibration::from_blocks(vec![vec![1, 2, 3, 4]; 8]);
    /// let before = parameters::count(&model);
    /// let pruned = recipe.resolve(&model, DType::F32)?.prune(model, &calibration, &NoProgress)?;
    /// assert!(parameters::count(&pruned.model) < before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prune<M: CausalLm>(
        &self,
        model: M,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Result<Pruned<M>, Error> {
        self.prune_with(model, &self.criteria, self.search.as_ref(), calibration, progress)
    }

    /// The same with another scorer than the recipe's criteria, somebody else's for example. A plan that was
    /// made before is not scored; a search asks it which structures of an axis go first.
    ///
    /// # Errors
    /// Those of [`prune_in_rounds`] and [`prune_as_planned`], and [`dress_core::Error::CalibrationEmpty`].
    pub fn prune_scored_by<M: CausalLm>(
        &self,
        model: M,
        scorer: &dyn Scorer<M>,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Result<Pruned<M>, Error> {
        let search = self.search.clone().map(|search| Search { order: Order::Scores, ..search });
        self.prune_with(model, scorer, search.as_ref(), calibration, progress)
    }

    fn prune_with<M: CausalLm>(
        &self,
        model: M,
        scorer: &dyn Scorer<M>,
        search: Option<&Search>,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Result<Pruned<M>, Error> {
        let who = self.looks_at_data_with(scorer.name(), scorer.needs_calibration());
        if let (true, Some(who)) = (calibration.blocks.is_empty(), who) {
            return Err(dress_core::Error::CalibrationEmpty { who }.into());
        }
        match (&self.plan, search) {
            (Some(plan), _) => prune_as_planned(model, plan, calibration, &self.config, progress),
            (None, Some(search)) => self.prune_searched(model, search, scorer, calibration, progress),
            (None, None) => prune_in_rounds(model, scorer, calibration, &self.config, self.rounds, progress),
        }
    }

    fn prune_searched<M: CausalLm>(
        &self,
        model: M,
        search: &Search,
        scorer: &dyn Scorer<M>,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Result<Pruned<M>, Error> {
        let kinds: Vec<AxisKind> = self.config.targets.iter().map(|target| target.kind).collect();
        let searched = Searched { kinds: &kinds, protected: &self.config.protected };
        let file = self.search_file.as_deref();
        let found = search.run_on(&model, searched, scorer, calibration, file, progress)?;
        self.check_served(&model, &found.selection)?;
        let config = PruneConfig { allocation: Allocation::Given(found.selection), ..self.config.clone() };
        let mut pruned = prune(model, &Known(&found.scores), calibration, &config, progress)?;
        pruned.report.search = Some(found.report);
        Ok(pruned)
    }

    /// Checks that the engines serve what `selection` leaves, with the parameters that the result has
    /// besides.
    fn check_served<M: CausalLm>(&self, model: &M, selection: &Selection) -> Result<(), Error> {
        if self.served_by.is_empty() {
            return Ok(());
        }
        let counted = counted(model.clone(), self.config.basis, self.config.compensation);
        check_served(&counted, selection, &self.served_by)
    }

    /// A selection of as many structures as will go, whichever they are.
    fn as_many<M: CausalLm>(&self, model: &M) -> Result<Selection, Error> {
        let map = model.coupling();
        let mut scores = Scores::new();
        for axis in axes(model, &self.config.targets)? {
            scores.insert(axis, vec![0.0; map.axis(axis)?.len])?;
        }
        let PruneConfig { allocation, targets, stock, protected, .. } = &self.config;
        allocation.select(model, &scores, targets, *stock, protected)
    }

    fn check_selection<M: CausalLm>(&self, model: &M, selection: &Selection) -> Result<(), Error> {
        if selection.is_empty() {
            return Err(Error::NothingSelected);
        }
        let (_, regularized) = split_to_regularize(model, selection);
        if regularized.is_empty() && self.config.regularize.is_some() {
            return Err(Error::NothingToRegularize);
        }
        model.check_stock(selection, self.config.stock)?;
        self.check_served(model, selection)
    }
}
