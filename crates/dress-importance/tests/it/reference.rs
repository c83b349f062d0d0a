//! Every criterion against its published formula in float64, as `tests/reference/make_criteria.py` computed
//! it, and the same part by part.

use dress_core::burn::tensor::Device;
use dress_core::{Axis, Calibration, NoProgress};
use dress_importance::{Criterion, score_all, score_by_parts};
use dress_models::{AnyModel, CheckpointParts, LoadConfig};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Reference {
    blocks: Vec<Vec<u32>>,
    scores: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
}

fn here(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn reference() -> Reference {
    let text = std::fs::read_to_string(here("tests/reference/criteria.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn checkpoint() -> PathBuf {
    here("../dress-models/tests/fixtures/llama3_gqa_tied")
}

fn axes(of: &BTreeMap<String, Vec<f64>>) -> Vec<Axis> {
    of.keys().map(|axis| axis.parse().unwrap()).collect()
}

/// The largest difference, relative to the largest score of the axis.
fn distance(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    worst / expected.iter().map(|x| x.abs()).fold(0.0, f64::max)
}

#[test]
fn every_criterion_equals_its_reference() {
    let Reference { blocks, scores } = reference();
    let calibration = Calibration::from_blocks(blocks);
    let model = AnyModel::load(&checkpoint(), &LoadConfig::default(), &Device::flex()).unwrap();
    let scored: Vec<&str> = Criterion::all().map(Criterion::name).filter(|name| *name != "random").collect();
    assert!(scored.iter().all(|name| scores.contains_key(*name)), "a criterion without a reference");
    for (name, expected) in scores {
        let scorer = name.parse::<Criterion>().unwrap().scorer::<AnyModel>(0);
        let found = scorer.score(&model, &calibration, &axes(&expected), &NoProgress).unwrap();
        for (axis, expected) in expected {
            let worst = distance(found.get(axis.parse().unwrap()).unwrap(), &expected);
            // A product is scored as a sum of logarithms, which adds up the relative errors of its matrices: 1.2e-5 was seen.
            let factors = if name.ends_with("-prod") { 3.0 } else { 1.0 };
            assert!(worst < 1e-5 * factors, "{name} {axis}: {worst}");
        }
    }
}

#[test]
fn together_the_scores_are_those_of_each_alone() {
    let calibration = Calibration::from_blocks(reference().blocks);
    let model = AnyModel::load(&checkpoint(), &LoadConfig::default(), &Device::flex()).unwrap();
    let criteria: Vec<Criterion> = Criterion::all().filter(|criterion| criterion.scores_widths()).collect();
    let axes = [Axis::Residual, Axis::Ffn { layer: 1 }];
    let together = score_all(&criteria, &model, &calibration, &axes, 7, &NoProgress).unwrap();
    assert_eq!(together.len(), criteria.len());
    for (criterion, together) in criteria.into_iter().zip(together) {
        let alone = criterion.scorer(7).score(&model, &calibration, &axes, &NoProgress).unwrap();
        assert_eq!(together, alone, "{criterion}");
    }
}

#[test]
fn part_by_part_the_scores_are_the_same() {
    let Reference { blocks, scores } = reference();
    let calibration = Calibration::from_blocks(blocks);
    let (load, device) = (LoadConfig::default(), Device::flex());
    let parts = CheckpointParts::open(&checkpoint(), &load, &device).unwrap();
    let (mut streamed, mut refused) = (0, 0);
    for (name, expected) in scores {
        let criterion = name.parse::<Criterion>().unwrap();
        match score_by_parts(criterion, &parts, &calibration, &axes(&expected), 0, &NoProgress) {
            Ok(found) => {
                streamed += 1;
                for (axis, expected) in expected {
                    let worst = distance(found.get(axis.parse().unwrap()).unwrap(), &expected);
                    assert!(worst < 1e-5, "{name} {axis}: {worst}");
                }
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("the whole model in memory"), "{error}");
            }
        }
    }
    // Those of gradients, and the search.
    assert_eq!((streamed, refused), (10, 10));
}

#[test]
fn a_criterion_says_which_axes_it_does_not_score() {
    let model = AnyModel::load(&checkpoint(), &LoadConfig::default(), &Device::flex()).unwrap();
    let calibration = Calibration::from_blocks(reference().blocks);
    let refused = |criterion: Criterion, axis| {
        let scorer = criterion.scorer::<AnyModel>(0);
        scorer.score(&model, &calibration, &[axis], &NoProgress).unwrap_err().to_string()
    };
    assert!(refused(Criterion::Wanda, Axis::Depth).contains("block-influence"));
    assert!(refused(Criterion::Sleb, Axis::Residual).contains("activation-norm"));
}
