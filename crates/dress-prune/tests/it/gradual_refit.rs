//! Projections that are refitted while what they lose is regularized away.

use crate::regularized::calibration;
use crate::small_models::{Family, Shape, distance, logits, selection};
use dress_core::{AxisKind, NoProgress, Ratio, StockTarget};
use dress_importance::Criteria;
use dress_models::AnyModel;
use dress_prune::{
    AxisTarget, Compensation, GradualRefit, Leaving, PenaltyForm, PruneConfig, Pruned, RegularizeConfig,
    prune,
};
use dress_regularize::{ComponentWeights, SlotChoice};

const KINDS: [AxisKind; 2] = [AxisKind::Ffn, AxisKind::Heads];

fn model(family: Family) -> AnyModel {
    Shape { family, width_a_head: 8, ..Shape::example() }.model()
}

fn refitted(family: Family, regularize: Option<RegularizeConfig>) -> Pruned<AnyModel> {
    let ratio = Ratio::new(0.5).unwrap();
    let targets = KINDS.iter().map(|&kind| AxisTarget { kind, ratio, tile: 1 }).collect();
    let stock = StockTarget::Dress;
    let config =
        PruneConfig { compensation: Compensation::Ridge, regularize, stock, ..PruneConfig::new(targets) };
    prune(model(family), &Criteria::new(&[], &KINDS, 7), &calibration(), &config, &NoProgress).unwrap()
}

/// Steps that hardly move a weight.
fn without_learning(mut settings: RegularizeConfig) -> RegularizeConfig {
    settings.train.learning_rate.peak = 1e-12;
    settings
}

#[test]
fn without_learning_it_ends_where_slicing_with_a_refit_does() {
    let gated = RegularizeConfig {
        form: PenaltyForm::Off,
        gate: Some("cosine:0.5".parse().unwrap()),
        ..RegularizeConfig::default()
    };
    for family in [Family::Llama, Family::Opt, Family::Phi] {
        let at_once = refitted(family, None);
        for settings in [gated.clone(), RegularizeConfig::default()] {
            let form = settings.form;
            let gradually = refitted(family, Some(without_learning(settings)));
            let apart = distance(logits(&gradually.model), logits(&at_once.model));
            assert!(apart < 1e-4, "{family:?} {form:?}: {apart}");
            assert_eq!(gradually.report.compensation, at_once.report.compensation);
            // What is seen on the way is nearer to the dense model than what is sliced without a refit.
            assert!(gradually.report.slicing_error.unwrap() < 1e-5, "{family:?} {form:?}");
        }
    }
}

#[test]
fn nothing_is_added_before_anything_leaves_and_all_of_it_where_nothing_is_left() {
    let model = model(Family::Llama);
    let selected = selection(&model, &KINDS, |len| (len / 2..len).collect());
    let (weights, slots) = (ComponentWeights::default(), SlotChoice::All);
    let (refit, lines) =
        GradualRefit::new(&model, &selected, slots, weights, &calibration(), &NoProgress).unwrap();
    assert!(!lines.is_empty());
    let at = |gate, taken| distance(logits(&refit.view(&model, Leaving { gate, taken })), logits(&model));
    assert_eq!(distance(logits(&refit.view(&model, Leaving::NOT_YET)), logits(&model)), 0.0);
    assert!(at(0.5, 0.0) > 0.0);
    assert_eq!(at(0.0, 0.0), at(1.0, 1.0));
    // The output of what three parameters shrink falls faster than any of them.
    assert!(at(1.0, 0.2) > at(0.8, 0.0));
    // What a gate and a penalty take away together.
    assert!(at(0.5, 0.5) > at(0.5, 0.0).max(at(1.0, 0.5)));
}
