//! One criterion for widths and one for whole layers.

use crate::{Criterion, score_by_parts};
use dress_core::{Axis, AxisKind, Calibration, CausalLm, Error, Parts, Progress, Ratio, Scorer, Scores};

/// The criteria of a plan: what scores widths, and what scores layers where those go as well.
#[derive(Debug, Clone)]
pub struct Criteria {
    width: Criterion,
    depth: Criterion,
    used: Vec<Criterion>,
    name: String,
    seed: u64,
    depth_ratio: Option<Ratio>,
}

impl Criteria {
    /// Of `chosen`, the first that scores widths and the first that scores layers; else
    /// [`Criterion::ActivationNorm`] and [`Criterion::BlockInfluence`]. `kinds` says which are needed.
    pub fn new(chosen: &[Criterion], kinds: &[AxisKind], seed: u64) -> Self {
        let first = |of: fn(Criterion) -> bool| chosen.iter().copied().find(|&criterion| of(criterion));
        let width = first(Criterion::scores_widths).unwrap_or(Criterion::ActivationNorm);
        let depth = first(Criterion::scores_depth).unwrap_or(Criterion::BlockInfluence);
        let mut used = Vec::new();
        if kinds.iter().any(|&kind| kind != AxisKind::Depth) {
            used.push(width);
        }
        if kinds.contains(&AxisKind::Depth) && !used.contains(&depth) {
            used.push(depth);
        }
        let name = used.iter().map(|criterion| criterion.name()).collect::<Vec<_>>().join("+");
        Self { width, depth, used, name, seed, depth_ratio: None }
    }

    /// Checks that each of `chosen` scores something of `kinds`.
    ///
    /// # Errors
    /// [`CriterionUnused`](crate::Error::CriterionUnused) where one does not.
    pub fn check(chosen: &[Criterion], kinds: &[AxisKind]) -> Result<(), crate::Error> {
        let used = Self::new(chosen, kinds, 0).used;
        let Some(criterion) = chosen.iter().find(|criterion| !used.contains(criterion)) else {
            return Ok(());
        };
        let (widths, depth) =
            (kinds.iter().any(|kind| *kind != AxisKind::Depth), kinds.contains(&AxisKind::Depth));
        let fits = |of: &Criterion| (widths && of.scores_widths()) || (depth && of.scores_depth());
        let first =
            fits(criterion).then(|| used.iter().find(|used| fits(used) && chosen.contains(used))).flatten();
        Err(crate::Error::CriterionUnused {
            criterion: criterion.name().into(),
            first: first.map(|first| first.name().into()),
            use_instead: match (widths, depth) {
                (true, true) => "one for widths and one for depth",
                (false, true) => "one of block-influence, sleb and random",
                _ => "one that scores widths, such as activation-norm",
            },
        })
    }

    /// How much of the depth will go, so that a search need not look further.
    #[must_use]
    pub fn with_depth_ratio(mut self, ratio: Option<Ratio>) -> Self {
        self.depth_ratio = ratio;
        self
    }

    /// The name that plans and results use, such as `activation-norm+block-influence`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the scores of all widths are in one unit.
    pub fn is_comparable(&self) -> bool {
        self.width.is_comparable()
    }

    /// Whether any of them looks at calibration data.
    pub fn needs_calibration(&self) -> bool {
        self.used.iter().any(|criterion| criterion.needs_calibration())
    }

    /// Whether any of them looks at gradients, for which a pass goes back as well.
    pub fn needs_gradients(&self) -> bool {
        self.used.iter().any(|criterion| criterion.needs_gradients())
    }

    /// The scores of a model of which one part at a time is in memory.
    ///
    /// # Errors
    /// Those of [`score_by_parts`].
    pub fn score_by_parts<P: Parts>(
        &self,
        parts: &P,
        calibration: &Calibration,
        axes: &[Axis],
        progress: &dyn Progress,
    ) -> Result<Scores, Error> {
        self.split(axes, |criterion, axes| {
            score_by_parts(criterion, parts, calibration, axes, self.seed, progress)
        })
    }

    /// What `score` says of the widths and of the layers, together.
    fn split(
        &self,
        axes: &[Axis],
        score: impl Fn(Criterion, &[Axis]) -> Result<Scores, Error>,
    ) -> Result<Scores, Error> {
        let (layers, widths): (Vec<Axis>, Vec<Axis>) = axes.iter().partition(|&&axis| axis == Axis::Depth);
        let mut scores = Scores::new();
        for (criterion, axes) in [(self.width, widths), (self.depth, layers)] {
            if !axes.is_empty() {
                scores.extend(score(criterion, &axes)?);
            }
        }
        Ok(scores)
    }
}

impl<M: CausalLm> Scorer<M> for Criteria {
    fn name(&self) -> &str {
        &self.name
    }

    fn needs_calibration(&self) -> bool {
        self.needs_calibration()
    }

    fn seed(&self) -> Option<u64> {
        self.used.iter().any(|criterion| criterion.draws()).then_some(self.seed)
    }

    fn score(
        &self,
        model: &M,
        calibration: &Calibration,
        axes: &[Axis],
        progress: &dyn Progress,
    ) -> Result<Scores, Error> {
        let layers = model.num_layers();
        let most = self.depth_ratio.map_or(usize::MAX, |ratio| layers - ratio.kept(layers, 1));
        self.split(axes, |criterion, axes| {
            criterion.scorer_of_at_most(self.seed, most).score(model, calibration, axes, progress)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AxisKind::{Depth, Ffn, Residual};

    #[test]
    fn a_criterion_that_would_be_ignored_is_an_error_that_names_it() {
        let refused = |chosen: &[Criterion], kinds: &[AxisKind]| {
            Criteria::check(chosen, kinds).unwrap_err().to_string()
        };
        assert!(
            refused(&[Criterion::Sleb], &[Ffn])
                .contains("`sleb` scores none of the axes given; give one that")
        );
        assert!(refused(&[Criterion::Wanda], &[Depth]).contains("sleb and random"));
        let second = refused(&[Criterion::Wanda, Criterion::Fisher], &[Ffn, Residual]);
        assert!(second.contains("`fisher`") && second.contains("`wanda` was given before it"), "{second}");
        for (chosen, kinds) in [
            (vec![], vec![Ffn]),
            (vec![Criterion::Wanda], vec![Ffn, Residual]),
            (vec![Criterion::Wanda, Criterion::Sleb], vec![Depth, Ffn]),
            (vec![Criterion::Random], vec![Depth]),
        ] {
            assert!(Criteria::check(&chosen, &kinds).is_ok(), "{chosen:?}");
        }
    }
}
