//! How far slicing what is at zero moves the logits, for every family and axis: the figures of
//! `docs/reference/formats.md`.

use crate::identities::{TOLERANCE, bf16, rounding, zeroed};
use crate::small_models::{
    FAMILIES, Family, KINDS, Shape, distance, logits, runner, selection, shapes, some_of,
};
use dress_core::burn::tensor::DType;
use dress_core::{AxisKind, CausalLm};
use dress_models::AnyModel;
use dress_prune::slice;
use std::cell::RefCell;

/// Models of each family.
const CASES: u32 = 24;

/// Relative distances in the L2 norm of the logits, a number a model.
#[derive(Default)]
struct Moved {
    whole: Vec<f64>,
    half: Vec<f64>,
    /// How far the model in bf16 is from the same weights that compute in f32 before anything is sliced.
    rounding: Vec<f64>,
}

impl Moved {
    fn add(&mut self, model: &AnyModel, kinds: &[AxisKind], seed: u64) {
        let selected = selection(model, kinds, |len| some_of(len, seed));
        let dense = zeroed(model, &selected);
        self.whole.push(distance(logits(&slice(dense.clone(), &selected).unwrap()), logits(&dense)));
        let half = bf16(model);
        let dense = zeroed(&half, &selected);
        let [sliced, dense_logits] =
            [slice(dense.clone(), &selected).unwrap(), dense.clone()].map(|m| logits(&m).cast(DType::F32));
        self.half.push(distance(sliced, dense_logits));
        self.rounding.push(rounding(&dense));
    }

    fn line(&self, family: Family, without: &str) -> String {
        let [whole, half, rounding] =
            [&self.whole, &self.half, &self.rounding].map(|numbers| median_and_greatest(numbers));
        format!("| {family:?} | {without} | {whole} | {half} | {rounding} |")
    }
}

fn median_and_greatest(numbers: &[f64]) -> String {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(median), Some(greatest)) => format!("{median:.1e}, {greatest:.1e}"),
        _ => "none drawn".into(),
    }
}

/// Prints a table: `DRESS_TEST_SEED=1 cargo test --release -p dress-prune --test it -- --ignored --nocapture
/// slicing_error`.
#[test]
#[ignore = "prints a table for the documentation; what it shows is tested in identities.rs"]
fn slicing_error_of_every_family_and_axis() {
    let all = [&KINDS[..], &[AxisKind::Depth]].concat();
    let sets = KINDS.map(|kind| vec![kind]).into_iter().chain([vec![AxisKind::Depth], all]);
    let sets: Vec<Vec<AxisKind>> = sets.collect();
    println!("| family | without some of | f32: median, greatest | bf16 | bf16 before slicing, from f32 |");
    println!("|---|---|---|---|---|");
    for family in FAMILIES {
        let found: Vec<RefCell<Moved>> = sets.iter().map(|_| RefCell::default()).collect();
        let add = |(shape, seed): (Shape, u64)| {
            let model = shape.model();
            for (kinds, moved) in sets.iter().zip(&found) {
                if model.num_layers() > 1 || !kinds.contains(&AxisKind::Depth) {
                    moved.borrow_mut().add(&model, kinds, seed);
                }
            }
            Ok(())
        };
        runner(CASES).run(&(shapes(family), 1u64..), add).unwrap();
        for (kinds, moved) in sets.iter().zip(&found) {
            let names: Vec<String> = kinds.iter().map(ToString::to_string).collect();
            println!("{}", moved.borrow().line(family, &names.join(", ")));
            // The one stream whose mean cannot be taken out.
            let on_the_stream = kinds.contains(&AxisKind::Residual) || kinds.contains(&AxisKind::Depth);
            let greatest = moved.borrow().whole.iter().copied().fold(0.0, f64::max);
            let exact = family != Family::Opt350m || !on_the_stream;
            assert!(!exact || greatest < TOLERANCE, "{family:?} {names:?}: {greatest}");
        }
    }
}
