//! One criterion or several at work on a model.

use crate::depth::sleb;
use crate::gradients::{FirstOrder, first_order};
use crate::per_structure::{over_parts, over_slots};
use crate::random::random;
use crate::weights_and_statistics::{ByParts, Resident};
use crate::{ActivationStatistics, Aggregate, Criterion};
use dress_core::{Axis, Calibration, CausalLm, Parts, Progress, Scorer, Scores};

/// A criterion as a scorer.
struct CriterionScorer {
    criterion: Criterion,
    seed: u64,
    /// How many layers will go at most.
    most: usize,
}

impl<M: CausalLm> Scorer<M> for CriterionScorer {
    fn name(&self) -> &str {
        self.criterion.name()
    }

    fn needs_calibration(&self) -> bool {
        self.criterion.needs_calibration()
    }

    fn seed(&self) -> Option<u64> {
        self.criterion.draws().then_some(self.seed)
    }

    fn score(
        &self,
        model: &M,
        calibration: &Calibration,
        axes: &[Axis],
        progress: &dyn Progress,
    ) -> Result<Scores, dress_core::Error> {
        if self.criterion == Criterion::Sleb {
            self.criterion.check(&model.coupling(), axes)?;
            calibration.require(model, self.criterion.name())?;
            return sleb(model, calibration, self.most, progress);
        }
        let mut scores = score_all(&[self.criterion], model, calibration, axes, self.seed, progress)?;
        Ok(scores.remove(0))
    }
}

impl Criterion {
    /// The scorer; `seed` is for those that draw.
    ///
    /// # Examples
    /// ```
    /// # use dress_core::burn::tensor::Device;
    /// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
    /// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
    /// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
    /// use dress_core::{Axis, Calibration, NoProgress};
    /// use dress_importance::Criterion;
    ///
    /// let criterion: Criterion = "activation-norm".parse()?;
    /// let calibration = Calibration::from_blocks(vec![vec![1, 2, 3, 4], vec![5, 6, 7, 8]]);
    /// let axis = Axis::Ffn { layer: 1 };
    /// let scores = criterion.scorer(42).score(&model, &calibration, &[axis], &NoProgress)?;
    /// assert_eq!(scores.get(axis).map(<[f64]>::len), Some(24));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scorer<M: CausalLm>(self, seed: u64) -> Box<dyn Scorer<M>> {
        Box::new(CriterionScorer { criterion: self, seed, most: usize::MAX })
    }

    /// As [`Criterion::scorer`] where at most `most` layers will go, so that a search need not look further.
    pub fn scorer_of_at_most<M: CausalLm>(self, seed: u64, most: usize) -> Box<dyn Scorer<M>> {
        Box::new(CriterionScorer { criterion: self, seed, most })
    }
}

/// The scores of several criteria, in their order, from as few passes over the calibration set as they need:
/// one forward for all that look at activations, and one forward and backward for all that look at gradients.
///
/// # Errors
/// Those of [`Scorer::score`] of each.
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Axis, Calibration, NoProgress};
/// use dress_importance::{Criterion, score_all};
///
/// let calibration = Calibration::from_blocks(vec![vec![1, 2, 3, 4]]);
/// let criteria = [Criterion::MagnitudeL2, Criterion::Wanda];
/// let scores = score_all(&criteria, &model, &calibration, &[Axis::Residual], 42, &NoProgress)?;
/// assert!(scores.iter().all(|scores| scores.get(Axis::Residual).is_some_and(|scores| scores.len() == 16)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn score_all<M: CausalLm>(
    criteria: &[Criterion],
    model: &M,
    calibration: &Calibration,
    axes: &[Axis],
    seed: u64,
    progress: &dyn Progress,
) -> Result<Vec<Scores>, dress_core::Error> {
    let map = model.coupling();
    for criterion in criteria {
        criterion.check(&map, axes)?;
        if criterion.needs_calibration() {
            calibration.require(model, criterion.name())?;
        }
    }
    let with_gradients: Vec<FirstOrder> = criteria.iter().filter_map(|c| c.first_order()).collect();
    let mut of_gradients = match with_gradients.as_slice() {
        [] => Vec::new(),
        some => first_order(model, calibration, axes, some, progress)?,
    }
    .into_iter();
    let mut statistics = None;
    let mut score = |criterion: Criterion| {
        if let Some(mut magnitude) = criterion.magnitude() {
            let finish = move |sum| magnitude.finish(sum);
            return over_slots(model, axes, Aggregate::Sum, &mut magnitude, finish);
        }
        match criterion {
            Criterion::Random => random(&map, axes, seed),
            Criterion::Sleb => sleb(model, calibration, usize::MAX, progress),
            Criterion::Taylor(_) | Criterion::Fisher => {
                Ok(of_gradients.next().unwrap_or_else(|| unreachable!("one of each criterion of gradients")))
            }
            _ => {
                let statistics = match &mut statistics {
                    Some(statistics) => statistics,
                    none => none.insert(ActivationStatistics::collect(
                        model,
                        calibration,
                        criterion.name(),
                        progress,
                    )?),
                };
                criterion.of_statistics(&Resident(model), statistics, axes)
            }
        }
    };
    criteria.iter().map(|criterion| score(*criterion)).collect()
}

/// The scores of a model of which one part at a time is in memory: those of [`Criterion::scorer`].
///
/// # Errors
/// Those of the scorer, [`dress_core::Error::NotByParts`] for criteria that need gradients or many passes,
/// and those of [`Parts::part`].
///
/// # Examples
/// ```
/// use dress_core::{Axis, Calibration, NoProgress, burn::tensor::Device};
/// use dress_importance::{Criterion, score_by_parts};
/// use dress_models::{CheckpointParts, LoadConfig};
///
/// let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/opt-kjv");
/// let parts = CheckpointParts::open(directory.as_ref(), &LoadConfig::default(), &Device::flex())?;
/// let calibration = Calibration::from_blocks(vec![vec![1, 2, 3, 4]]);
/// let axis = Axis::Ffn { layer: 0 };
/// // One layer at a time is in memory.
/// let scores = score_by_parts(Criterion::Wanda, &parts, &calibration, &[axis], 42, &NoProgress)?;
/// assert!(scores.get(axis).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn score_by_parts<P: Parts>(
    criterion: Criterion,
    parts: &P,
    calibration: &Calibration,
    axes: &[Axis],
    seed: u64,
    progress: &dyn Progress,
) -> Result<Scores, dress_core::Error> {
    let map = parts.declared().coupling();
    criterion.check(&map, axes)?;
    if let Some(mut magnitude) = criterion.magnitude() {
        let finish = move |sum| magnitude.finish(sum);
        return over_parts(parts, axes, &mut magnitude, finish);
    }
    match criterion {
        Criterion::Random => random(&map, axes, seed),
        Criterion::Taylor(_) | Criterion::Fisher | Criterion::Sleb => {
            Err(dress_core::Error::NotByParts { criterion: criterion.name().into() })
        }
        _ => {
            let name = criterion.name();
            let statistics = ActivationStatistics::collect_by_parts(parts, calibration, name, progress)?;
            criterion.of_statistics(&ByParts(parts), &statistics, axes)
        }
    }
}
