//! Whole layers on their way to zero.

use crate::regularized::calibration;
use crate::small_models::{distance, logits, selection, tokens};
use crate::whole_layers::{EXACT, LAYERS, adding, model, tried};
use dress_core::burn::module::Param;
use dress_core::burn::tensor::Tensor;
use dress_core::parameters::{self, Layout, ParameterVisitor};
use dress_core::{AxisKind, Calibration, CausalLm, Forward, NoProgress, NoTap, Selection, layer_writers};
use dress_models::AnyModel;
use dress_prune::{PenaltyForm, SelectedPenalty, slice};
use dress_regularize::{
    ComponentWeights, Gate, GateNorms, PenaltyKind, Regularizer, Schedule, SlotChoice, Thresholds,
};
use dress_train::{TrainConfig, train};
use std::collections::HashSet;

fn regularizer(model: &AnyModel, selected: &Selection, penalty: PenaltyKind) -> Regularizer {
    let (weights, slots) = (ComponentWeights::default(), SlotChoice::All);
    Regularizer::new(model, selected, penalty, weights, slots).unwrap()
}

/// The names of the parameters of which no number lets anything through: zero, or -1 where it is filed as one
/// less.
fn silent(model: &AnyModel) -> HashSet<String> {
    struct Silent {
        plus_one: HashSet<String>,
        found: HashSet<String>,
    }
    impl ParameterVisitor for Silent {
        fn visit<const D: usize>(&mut self, name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
            let offset = if self.plus_one.contains(name) { 1.0 } else { 0.0 };
            if (parameter.val() + offset).abs().max().into_scalar::<f32>() == 0.0 {
                self.found.insert(name.into());
            }
        }
    }
    let map = model.coupling();
    let less = map.iter().flat_map(|(_, axis)| &axis.slots).filter(|slot| slot.plus_one);
    let plus_one = less.map(|slot| slot.parameter.clone()).collect();
    let mut silent = Silent { plus_one, found: HashSet::new() };
    parameters::visit(model, &mut silent);
    silent.found
}

#[test]
fn proximal_steps_take_to_zero_what_a_layer_writes_and_nothing_else() {
    for (family, penalty) in tried(&[PenaltyKind::Group, PenaltyKind::L1]) {
        let model = model(family);
        let selected = selection(&model, &[AxisKind::Depth], |_| vec![1, 2]);
        let regularizer = regularizer(&model, &selected, penalty);
        let regularization = SelectedPenalty {
            regularizer: &regularizer,
            form: PenaltyForm::Proximal,
            lambda: 5.0,
            schedule: Schedule::Constant,
            gate: None,
            refit: None,
            activations: None,
            kept_only: false,
            slicer: None,
        };
        let config = TrainConfig::default();
        let trained = train(model, &calibration(), &config, &regularization, &NoProgress).unwrap();
        let map = trained.model.coupling();
        let writers: HashSet<String> = [1, 2]
            .into_iter()
            .flat_map(|layer| layer_writers(&trained.model, &map, layer))
            .map(|slot| slot.parameter.clone())
            .collect();
        assert!(writers.len() >= 4, "{family:?}: {writers:?}");
        assert_eq!(silent(&trained.model), writers, "{family:?} {penalty}");
        let norms: Vec<f64> = trained.curve.iter().map(|point| point.selected_norm).collect();
        assert!(norms[2] > 0.0 && norms[9] == 0.0, "{family:?} {penalty}: {norms:?}");
        let sliced = slice(trained.model.clone(), &selected).unwrap();
        assert_eq!(sliced.num_layers(), LAYERS - 2);
        let moved = distance(logits(&sliced), logits(&trained.model));
        assert!(moved <= EXACT, "{family:?} {penalty}: {moved}");
    }
}

/// How much the first layer adds to the stream.
fn added(model: &AnyModel) -> f64 {
    let mut tap = NoTap;
    let mut pass = Forward::new(&mut tap);
    let before = model.embed(Calibration::tensor(&tokens(), &model.device()), &mut pass);
    let added = model.layer(0, before.clone(), &mut pass) - before;
    f64::from((added.clone() * added).sum().into_scalar::<f32>()).sqrt()
}

/// A norm behind attention and feed-forward network undoes whatever its projection loses: its gains have to
/// go as gradually.
#[test]
fn a_layer_adds_about_half_where_it_is_half_gone() {
    for family in adding() {
        let model = model(family);
        let selected = selection(&model, &[AxisKind::Depth], |_| vec![0]);
        let halves = Thresholds::OfInitial { share: 0.5, least: 0.0 };
        let stepped =
            regularizer(&model, &selected, PenaltyKind::Group).shrink(model.clone(), halves).unwrap();
        let gate = Gate::new(&model, &selected, Schedule::Constant, GateNorms::Fixed).unwrap();
        let gated = gate.apply(&model, 0.5);
        for (how, half) in [("steps", stepped), ("gate", gated)] {
            let share = added(&half) / added(&model);
            assert!((0.25..0.75).contains(&share), "{family:?} {how}: {share}");
        }
        assert_eq!(added(&gate.close(model)), 0.0, "{family:?}");
    }
}
