//! Seeing that a run has diverged, though every number is finite.
//!
//! The judge is the loss on the blocks of the first step, whose loss before any step is known. A run is lost
//! where that loss is more than a nat above where it began (or what an objective in another unit says,
//! [`LossScale`]), and
//!
//! - nothing is being removed: then training has only to lower it; or
//! - it is that of a model for which all tokens are alike, `ln(vocab_size)`, and the weights have grown
//!   though some of them are on their way to zero. A model of which too much was removed may be as bad, but
//!   its weights have not grown; that is said and left to whoever wanted it.
//!
//! A loss that rises and comes down again, as in the first steps of a rate that is a little high, is nobody's
//! business: within a run the losses of many steps in a row have to be bad before the judge is asked, and it
//! is always asked in the end.

use crate::CurvePoint;
use crate::Error;
use dress_core::CausalLm;
use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout, ParameterVisitor};

/// The share of [`LossScale::nothing`] from which on a model is said to know nothing.
const NOTHING: f64 = 0.98;

/// How much longer the vector of all weights has to have become.
const GROWN: f64 = 1.25;

/// How much longer it has to have become for a model that knows nothing to be lost wherever it began: weights
/// that ran away can saturate until all tokens are alike, which is better than an untrained start.
const RUN_AWAY: f64 = 100.0;

/// The fewest bad steps in a row after which a run is looked at before its end.
const PATIENCE: usize = 16;

/// Which losses are large, in the unit of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossScale {
    /// The loss of a model that has learnt nothing.
    pub nothing: f64,
    /// How far above its start a loss has to be to be a bad one.
    pub above_start: f64,
}

impl LossScale {
    /// That of a next-token loss in nats: a model for which all tokens are alike has `ln(vocab_size)`.
    pub fn of_tokens(vocab_size: usize) -> Self {
        Self { nothing: (vocab_size as f64).ln(), above_start: 1.0 }
    }
}

/// What a run is judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judge {
    scale: LossScale,
    /// The norm of all weights before the first step.
    norm: f64,
    /// The steps of the whole run.
    total: usize,
    learning_rate: f64,
    /// Whether something of the model is on its way out, so that its loss may rise.
    removes: bool,
}

/// What is found of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    /// Steps that were done.
    pub steps: usize,
    /// The loss on the blocks of the first step.
    pub loss: f64,
    /// The norm of all weights.
    pub norm: f64,
}

impl Judge {
    pub fn new<M: CausalLm>(
        model: &M,
        scale: LossScale,
        total: usize,
        learning_rate: f64,
        removes: bool,
    ) -> Self {
        Self { scale, norm: norm(model), total, learning_rate, removes }
    }

    /// Whether the latest steps are bad enough to look closer.
    pub fn is_suspicious(&self, curve: &[CurvePoint]) -> bool {
        let Some(first) = curve.first() else { return false };
        let least = PATIENCE.max(self.total / 8);
        let removes = self.removes || removes(curve);
        let bad = |point: &CurvePoint| {
            self.is_bad(point.loss, first.loss, removes) || point.loss > NOTHING * self.scale.nothing
        };
        // Not after every step of a long stretch.
        let stretch = curve.iter().rev().take_while(|point| bad(point)).count();
        stretch > 0 && stretch.is_multiple_of(least)
    }

    /// Judges a model after some steps.
    ///
    /// # Errors
    /// [`Error::Lost`].
    pub fn check(&self, found: Found, curve: &[CurvePoint]) -> Result<(), Error> {
        let Some(first) = curve.first() else { return Ok(()) };
        let (removes, Found { steps, loss, norm }) = (self.removes || removes(curve), found);
        let ran_away = loss > NOTHING * self.scale.nothing && norm > RUN_AWAY * self.norm;
        if !loss.is_nan() && !ran_away && !self.is_bad(loss, first.loss, removes) {
            self.warn(loss, first.loss, removes);
            return Ok(());
        }
        if removes && norm.is_finite() && norm < GROWN * self.norm && !loss.is_nan() {
            self.warn(loss, first.loss, removes);
            return Ok(());
        }
        let (start, nothing, learning_rate) = (first.loss, self.scale.nothing, self.learning_rate);
        Err(Error::Lost { steps, loss, start, nothing, learning_rate })
    }

    fn is_bad(&self, loss: f64, start: f64, removes: bool) -> bool {
        loss > start + self.scale.above_start && (!removes || loss > NOTHING * self.scale.nothing)
    }

    /// Says where a model has lost most of what it knew.
    fn warn(&self, loss: f64, start: f64, removes: bool) {
        let half = start + 0.5 * (self.scale.nothing - start);
        if removes && loss > half.max(start + self.scale.above_start) {
            tracing::warn!(
                "the loss on the blocks of the first step went from {start:.2} to {loss:.2}, where a model that knows \
                 nothing has {:.2}; remove less, train for longer, or lower the learning rate",
                self.scale.nothing
            );
        }
    }
}

/// Whether anything of the model is on its way out, so that its loss may rise.
fn removes(curve: &[CurvePoint]) -> bool {
    curve.iter().any(|point| point.selected_norm > 0.0 || point.penalty > 0.0 || point.gate < 1.0)
}

/// The L2 norm of all parameters together.
pub(crate) fn norm<M: CausalLm>(model: &M) -> f64 {
    struct Squares(f64);
    impl ParameterVisitor for Squares {
        fn visit<const D: usize>(&mut self, _name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
            let value = parameter.val().without_autodiff().cast(DType::F32);
            self.0 += f64::from((value.clone() * value).sum().into_scalar::<f32>());
        }
    }
    let mut squares = Squares(0.0);
    parameters::visit(model, &mut squares);
    squares.0.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(losses: &[f64], selected_norm: f64) -> Vec<CurvePoint> {
        let text = r#"{"step":0,"tokens":0,"loss":0,"penalty":0,"selected_norm":0,"gradient_norm":0,"learning_rate":0,"seconds":0}"#;
        let point: CurvePoint = serde_json::from_str(text).unwrap();
        losses.iter().map(|&loss| CurvePoint { loss, selected_norm, ..point }).collect()
    }

    const SCALE: LossScale = LossScale { nothing: 7.0, above_start: 1.0 };
    const JUDGE: Judge = Judge { scale: SCALE, norm: 10.0, total: 100, learning_rate: 1e3, removes: false };

    fn found(loss: f64, norm: f64) -> Found {
        Found { steps: 8, loss, norm }
    }

    #[test]
    fn a_fine_tuned_model_that_got_worse_is_lost_and_one_that_was_rough_is_not() {
        let rough = curve(&[3.0, 9.0, 8.0, 4.0, 2.9], 0.0);
        assert!(!JUDGE.is_suspicious(&rough) && JUDGE.check(found(2.9, 10.0), &rough).is_ok());
        let says = JUDGE.check(found(4.5, 10.0), &rough).unwrap_err().to_string();
        assert!(says.contains("began at 3.000") && says.contains("lower `learning_rate`"), "{says}");
        assert!(JUDGE.check(found(f64::NAN, 10.0), &rough).is_err());
    }

    #[test]
    fn a_model_that_knows_nothing_is_lost_where_its_weights_grew() {
        let pruned = curve(&[3.0, 9.0, 6.9], 4.0);
        assert!(JUDGE.check(found(6.95, 1e6), &pruned).is_err());
        assert!(JUDGE.check(found(6.95, 9.0), &pruned).is_ok(), "too much was removed, and no more");
        assert!(JUDGE.check(found(6.0, 1e6), &pruned).is_ok());
        assert!(JUDGE.check(found(6.95, f64::INFINITY), &pruned).is_err());
    }

    #[test]
    fn a_model_that_knew_nothing_is_not_lost() {
        let untrained = curve(&[7.2, 7.3, 7.4], 0.0);
        assert!(JUDGE.check(found(7.6, 12.0), &untrained).is_ok());
        assert!(JUDGE.check(found(7.0, 1e4), &untrained).is_err(), "its weights ran away");
    }

    #[test]
    fn a_long_bad_stretch_is_looked_at_before_the_end() {
        let stretch = |bad: usize| curve(&[&[3.0][..], &vec![8.0; bad]].concat(), 0.0);
        assert!(!JUDGE.is_suspicious(&stretch(15)) && JUDGE.is_suspicious(&stretch(16)));
        assert!(!JUDGE.is_suspicious(&stretch(17)), "not after every step");
        let removing = Judge { removes: true, ..JUDGE };
        assert!(
            removing.check(found(5.5, 10.0), &curve(&[3.0, 5.5], 0.0)).is_ok(),
            "a first step may remove it all"
        );
        let recovered = [stretch(15), curve(&[3.5], 0.0)].concat();
        assert!(!JUDGE.is_suspicious(&recovered));
    }

    #[test]
    fn a_loss_of_another_unit_is_judged_in_its_own() {
        let distance = Judge { scale: LossScale { nothing: 1.0, above_start: 0.5 }, removes: true, ..JUDGE };
        let began = curve(&[0.0, 0.4], 1.0);
        assert!(distance.check(found(1.5, 20.0), &began).is_err(), "worse than a layer that adds nothing");
        assert!(distance.check(found(0.6, 20.0), &began).is_ok());
        assert!(JUDGE.check(found(0.9, 20.0), &began).is_ok(), "0.9 nats are little");
    }
}
