//! What a run is, for its key and for files to say.

use super::{PruneRun, Resolved};
use crate::Error;
use dress_models::AnyModel;
use dress_prune::HowMuch;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// All that a run's result depends on beside the checkpoint, the texts, the device and the seed. Two runs of
/// one description are one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DescribedRun {
    /// Every setting that has a value, by its name.
    pub settings: Resolved,
    /// SHA-256 of the plan, where one was made before.
    pub plan_sha256: Option<String>,
    /// SHA-256 of the measured costs, where there are any that the settings do not say.
    pub costs_sha256: Option<String>,
}

/// What is another in every cell, or in the cell's key already.
const ASIDE: [&str; 2] = ["seed", "regularize.train.seed"];

impl DescribedRun {
    /// Of a run on the model that `declared` describes: every setting that the recipe resolves to, by its
    /// place in there.
    ///
    /// # Errors
    /// Those of [`Recipe::resolve`](dress_prune::Recipe::resolve).
    pub fn of(run: &PruneRun, declared: &AnyModel) -> Result<Self, Error> {
        let PruneRun { recipe, calibration, compute } = &run.clone().with_sizes_as_asked();
        let resolved = recipe.resolve(declared, compute.dtype.dtype())?;
        let config = serde_json::to_value(&resolved.config).expect("settings are numbers and texts");
        let mut settings = Resolved::new();
        flatten("", &config, &mut settings);
        settings.retain(|name, _| !ASIDE.contains(&name.as_str()));
        let mut plan_sha256 = None;
        let how_much = match &recipe.how_much {
            HowMuch::Planned(plan) => {
                plan_sha256 = Some(sha256(plan.to_json().as_bytes()));
                "planned".into()
            }
            how_much => format!("{how_much:?}"),
        };
        let sampling = &recipe.sampling;
        let text_field = calibration.as_ref().and_then(|text| text.text_field.clone());
        let more = [
            ("how_much", how_much),
            ("criteria", resolved.criteria.name().into()),
            ("rounds", resolved.rounds.to_string()),
            ("tile", recipe.tile.to_string()),
            ("per_layer", recipe.per_layer.to_string()),
            ("samples", sampling.samples.to_string()),
            ("seqlen", sampling.seqlen(declared)?.to_string()),
            ("draw", sampling.draw.to_string()),
            ("dtype", compute.dtype.to_string()),
        ];
        settings.extend(more.map(|(name, value)| (name.to_string(), value)));
        settings.extend(text_field.map(|field| ("text_field".to_string(), field)));
        Ok(Self { settings, plan_sha256, costs_sha256: None })
    }
}

/// The leaves of a value by their places, as `regularize.train.epochs`.
fn flatten(place: &str, value: &Value, into: &mut Resolved) {
    let below = |name: &str| if place.is_empty() { name.into() } else { format!("{place}.{name}") };
    match value {
        Value::Null => {}
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(&below(name), value, into)),
        Value::Array(parts) => {
            for (index, value) in parts.iter().enumerate() {
                flatten(&below(&index.to_string()), value, into);
            }
        }
        Value::String(text) => drop(into.insert(place.into(), text.clone())),
        leaf => drop(into.insert(place.into(), leaf.to_string())),
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::{AxisKind, Ratio};
    use dress_models::Checkpoint;
    use dress_prune::Recipe;
    use std::path::Path;

    #[test]
    fn a_row_has_the_size_that_it_was_given() {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/llama3-kjv");
        let checkpoint = Checkpoint::open(model).unwrap();
        let ratio = HowMuch::Ratios(vec![Ratio::new(0.4).unwrap()]);
        let recipe = Recipe::new(vec![AxisKind::Ffn], ratio).without_training();
        // By itself it would keep 320 of 512 neurons.
        assert_eq!(recipe.targets(checkpoint.declared()).unwrap()[0].ratio.get(), 0.375);
        let run = PruneRun::new(recipe, None);
        let described = DescribedRun::of(&run, checkpoint.declared()).unwrap();
        assert_eq!(described.settings["targets.0.ratio"], "0.4");
    }
}
