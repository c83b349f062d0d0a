//! E1, E2 and E3 over random models of every family, axes and selections, in both precisions.
//!
//! In f32 the tolerance is 1e-4 relative in the logits' L2 norm: sums over a permuted or shorter axis are
//! added up in another order, which costs about 1e-7 an operation. In bf16, with 8 bits a number, each
//! operation costs up to 4e-3, and a rescaled or recentred weight is rounded once more. What that does to
//! each of two models is measured beside the same weights that compute in f32, and two equal models may be
//! 5e-2 further from each other than one and a half times the sum of both.

use crate::small_models::{FAMILIES, Family, KINDS, distance, logits, runner, selection, shapes, some_of};
use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper, ParameterVisitor};
use dress_core::{AxisKind, CausalLm, Selection};
use dress_models::AnyModel;
use dress_prune::{centre, mask, permute, recentre, slice};
use proptest::prelude::*;

pub const TOLERANCE: f64 = 1e-4;
/// What a model in bf16 may be from an equal one, beside what rounding does to each.
const HALF_TOLERANCE: f64 = 5e-2;

struct Cast(DType);

impl ParameterMapper for Cast {
    fn map<const D: usize>(&mut self, _name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
        value.cast(self.0)
    }
}

pub fn bf16(model: &AnyModel) -> AnyModel {
    parameters::map(model.clone(), &mut Cast(DType::BF16))
}

/// How far a model in bf16 is from the same weights that compute in f32: what rounding between operations
/// does to it.
pub fn rounding(half: &AnyModel) -> f64 {
    let whole = parameters::map(half.clone(), &mut Cast(DType::F32));
    distance(logits(half).cast(DType::F32), logits(&whole))
}

/// How far two models in bf16 are from each other, less what rounding does to both.
fn apart_in_bf16(one: &AnyModel, other: &AnyModel) -> f64 {
    let moved = distance(logits(one).cast(DType::F32), logits(other).cast(DType::F32));
    // Relative distances of sums that nearly cancel may be a little more than their parts.
    moved - 1.5 * (rounding(one) + rounding(other))
}

/// Kinds of axis of which slicing zeroed structures is exact: not the stream of norms behind it.
fn exact_kinds(family: Family) -> Vec<Vec<AxisKind>> {
    let mut kinds = vec![vec![AxisKind::Ffn], vec![AxisKind::Heads], vec![AxisKind::Ffn, AxisKind::Heads]];
    if family != Family::Opt350m {
        kinds.extend([vec![AxisKind::Residual], KINDS.to_vec()]);
    }
    kinds
}

/// Kinds of axis with whole layers of which the same is exact.
fn exact_with_layers(family: Family, model: &AnyModel) -> Vec<Vec<AxisKind>> {
    if family == Family::Opt350m || model.num_layers() < 2 {
        return Vec::new();
    }
    vec![vec![AxisKind::Depth], [&KINDS[..], &[AxisKind::Depth]].concat()]
}

/// `model` with the selected structures zero and, under layer norms, a stream of mean zero.
pub fn zeroed(model: &AnyModel, selected: &Selection) -> AnyModel {
    recentre(mask(model.clone(), selected).unwrap(), selected).unwrap()
}

fn each_family(cases: u32, check: impl Fn(Family, AnyModel, u64) -> Result<(), TestCaseError>) {
    for family in FAMILIES {
        let inputs = (shapes(family), 1u64..);
        runner(cases).run(&inputs, |(shape, seed)| check(family, shape.model(), seed)).unwrap();
    }
}

#[test]
fn e1_a_permuted_model_has_the_same_logits() {
    each_family(12, |family, model, seed| {
        for kind in KINDS {
            let selected = selection(&model, &[kind], |len| some_of(len, seed));
            let permuted = permute(model.clone(), &selected).unwrap();
            prop_assert!(distance(logits(&permuted), logits(&model)) < TOLERANCE, "{family:?} {kind}");
            let (model, permuted) = (bf16(&model), bf16(&permuted));
            let moved = apart_in_bf16(&permuted, &model);
            prop_assert!(moved < HALF_TOLERANCE, "{family:?} {kind} in bf16: {moved}");
        }
        Ok(())
    });
}

#[test]
fn e2_and_e3_slicing_zeroed_structures_changes_nothing() {
    each_family(12, |family, model, seed| {
        for kinds in exact_kinds(family) {
            let selected = selection(&model, &kinds, |len| some_of(len, seed));
            let zeroed = zeroed(&model, &selected);
            let sliced = slice(zeroed.clone(), &selected).unwrap();
            let moved = distance(logits(&sliced), logits(&zeroed));
            prop_assert!(moved < TOLERANCE, "{family:?} {kinds:?}: {moved}");
            // Not the logits: a neuron that no token wakes is no loss.
            prop_assert!(parameters_differ(&zeroed, &model), "{family:?} {kinds:?}: nothing was zeroed");
        }
        Ok(())
    });
}

#[test]
fn e2_and_e3_hold_in_bf16() {
    each_family(6, |family, model, seed| {
        let model = bf16(&model);
        for kinds in exact_kinds(family).into_iter().chain(exact_with_layers(family, &model)) {
            let selected = selection(&model, &kinds, |len| some_of(len, seed));
            let zeroed = zeroed(&model, &selected);
            let sliced = slice(zeroed.clone(), &selected).unwrap();
            let moved = apart_in_bf16(&sliced, &zeroed);
            prop_assert!(moved < HALF_TOLERANCE, "{family:?} {kinds:?}: {moved}");
        }
        Ok(())
    });
}

#[test]
fn e3_centring_a_stream_that_layer_norms_read_changes_nothing() {
    each_family(12, |family, model, _seed| {
        let centred = centre(model.clone());
        let moved = distance(logits(&centred), logits(&model));
        prop_assert!(moved < TOLERANCE, "{family:?}: {moved}");
        let changed = parameters_differ(&centred, &model);
        prop_assert_eq!(
            changed,
            matches!(family, Family::GptNeox | Family::Opt | Family::Phi),
            "{:?}",
            family
        );
        let half = apart_in_bf16(&bf16(&centred), &bf16(&model));
        prop_assert!(half < HALF_TOLERANCE, "{family:?} in bf16: {half}");
        Ok(())
    });
}

fn parameters_differ(a: &AnyModel, b: &AnyModel) -> bool {
    struct Numbers(Vec<f32>);
    impl ParameterVisitor for Numbers {
        fn visit<const D: usize>(&mut self, _name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
            self.0.extend(parameter.val().into_data().iter::<f32>());
        }
    }
    let [a, b] = [a, b].map(|model| {
        let mut numbers = Numbers(Vec::new());
        parameters::visit(model, &mut numbers);
        numbers.0
    });
    a != b
}

#[test]
fn slicing_a_permuted_model_equals_slicing_the_original() {
    each_family(8, |family, model, seed| {
        let selected = selection(&model, &KINDS, |len| some_of(len, seed));
        let direct = slice(model.clone(), &selected).unwrap();
        let permuted = slice(permute(model, &selected).unwrap(), &selected.permuted()).unwrap();
        prop_assert_eq!(logits(&permuted).into_data(), logits(&direct).into_data(), "{:?}", family);
        prop_assert_eq!(permuted.coupling(), direct.coupling(), "{:?}", family);
        Ok(())
    });
}

#[test]
fn a_layer_that_writes_nothing_can_go_with_whatever_else_goes() {
    each_family(12, |family, model, seed| {
        for kinds in exact_with_layers(family, &model) {
            let selected = selection(&model, &kinds, |len| some_of(len, seed));
            let zeroed = zeroed(&model, &selected);
            let sliced = slice(zeroed.clone(), &selected).unwrap();
            prop_assert!(sliced.num_layers() < model.num_layers());
            let moved = distance(logits(&sliced), logits(&zeroed));
            prop_assert!(moved < TOLERANCE, "{family:?} {kinds:?}: {moved}");
        }
        Ok(())
    });
}

#[test]
fn layers_then_the_rest_is_all_at_once() {
    each_family(6, |family, model, seed| {
        if model.num_layers() < 2 {
            return Ok(());
        }
        let kinds = [&KINDS[1..], &[AxisKind::Depth]].concat();
        let selected = selection(&model, &kinds, |len| some_of(len, seed));
        let (depth, rest) = selected.split_depth();
        let apart = slice(slice(model.clone(), &depth).unwrap(), &rest).unwrap();
        let at_once = slice(model, &selected).unwrap();
        prop_assert!(distance(logits(&apart), logits(&at_once)) < TOLERANCE, "{family:?}");
        Ok(())
    });
}
