//! E1 and E2 over random models, axes and selections.
//!
//! The tolerance is 1e-4 relative in the logits' L2 norm: sums over a permuted or shorter axis are
//! added up in another order, which in f32 costs about 1e-7 an operation.

use crate::small_models::{KINDS, distance, logits, selection, shapes, some_of};
use dress_prune::{mask, permute, slice};
use proptest::prelude::*;

const TOLERANCE: f64 = 1e-4;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn e1_a_permuted_model_has_the_same_logits(shape in shapes(), seed in 1u64..) {
        let model = shape.model();
        for kind in KINDS {
            let selected = selection(&model, &[kind], |len| some_of(len, seed));
            let permuted = permute(model.clone(), &selected).unwrap();
            prop_assert!(distance(logits(&permuted), logits(&model)) < TOLERANCE, "{kind}");
        }
    }

    #[test]
    fn e2_slicing_zeroed_structures_changes_nothing(shape in shapes(), seed in 1u64..) {
        let model = shape.model();
        for kinds in [&KINDS[..1], &KINDS[1..2], &KINDS[2..], &KINDS[..]] {
            let selected = selection(&model, kinds, |len| some_of(len, seed));
            let masked = mask(model.clone(), &selected).unwrap();
            let sliced = slice(masked.clone(), &selected).unwrap();
            prop_assert!(distance(logits(&sliced), logits(&masked)) < TOLERANCE, "{kinds:?}");
            prop_assert!(distance(logits(&masked), logits(&model)) > TOLERANCE, "{kinds:?}: the mask did nothing");
        }
    }

    #[test]
    fn slicing_a_permuted_model_equals_slicing_the_original(shape in shapes(), seed in 1u64..) {
        let model = shape.model();
        let selected = selection(&model, &KINDS, |len| some_of(len, seed));
        let direct = slice(model.clone(), &selected).unwrap();
        let permuted = slice(permute(model, &selected).unwrap(), &selected.permuted()).unwrap();
        prop_assert_eq!(logits(&permuted).into_data(), logits(&direct).into_data());
    }
}
