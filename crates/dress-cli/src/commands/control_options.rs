//! The controls of an ablation's base, as options.

use super::given_options::Given;
use super::prune_options::PRUNE_OPTIONS;
use super::regularize_args::{LoraArgs, REGULARIZES};
use super::written_setting::WrittenSetting;
use crate::Error;
use clap::Args;
use dress_regularize::Schedule;
use dress_study::ablation::Control;

/// The controls of `base`, all else as there; what they run is what [`Control::of`] makes of the base's
/// recipe.
///
/// # Errors
/// Those of [`Given::with`].
pub(super) fn controls(base: &Given) -> Result<Vec<(Control, Given)>, Error> {
    let regularize = PRUNE_OPTIONS.of_group(REGULARIZES);
    let factors = LoraArgs::group_id().unwrap_or_default();
    let factors = PRUNE_OPTIONS.of_group(factors.as_str());
    let plain = base.without(&[&regularize[..], &factors].concat());
    let but_the_gate: Vec<&str> = regularize.into_iter().filter(|id| *id != "gate").collect();
    let with =
        |given: &Given, control: Control, setting: WrittenSetting| given.with(&setting, control.name());
    let (directly, first, trained) = (Control::SlicedDirectly, Control::SlicedFirst, Control::TrainedFirst);
    let sliced = with(base, first, WrittenSetting::of("gate", Schedule::Constant))?.without(&but_the_gate);
    let mut controls =
        vec![(directly, with(&plain, directly, WrittenSetting::on("no-regularize"))?), (first, sliced)];
    if !base.has("lora-rank") {
        controls.push((trained, with(&plain, trained, WrittenSetting::on("no-penalty"))?));
    }
    Ok(controls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_models::Checkpoint;
    use std::path::Path;

    fn set(given: Given, setting: &str) -> Given {
        given.with(&setting.parse().unwrap(), "row").unwrap()
    }

    #[test]
    fn a_control_trains_what_its_base_trains() {
        let base = ["axis=ffn", "ratio=0.5", "gate=cosine:0.2"].into_iter().fold(Given::default(), set);
        let of = |base: &Given| -> Vec<String> {
            controls(base).unwrap().into_iter().map(|(_, given)| given.to_string()).collect()
        };
        let sliced = "--axis=ffn --no-regularize --ratio=0.5";
        let first = "--axis=ffn --gate=constant --ratio=0.5";
        assert_eq!(of(&base), [sliced, first, "--axis=ffn --no-penalty --ratio=0.5"]);
        let first = "--axis=ffn --gate=constant --lora-rank=8 --ratio=0.5";
        assert_eq!(of(&set(base, "lora-rank=8")), [sliced, first]);
    }

    #[test]
    fn the_options_of_a_control_are_the_library_s_recipe_of_it() {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/llama3-kjv");
        let checkpoint = Checkpoint::open(&model).unwrap();
        let recipe = |given: &Given| {
            let (args, _) = given.args("row", &model, Path::new("o"), 7).unwrap();
            args.run_on(checkpoint.declared()).unwrap().recipe
        };
        let plain = ["axis=ffn", "ratio=0.5", "epochs=3", "lambda=2"];
        for settings in
            [&plain[..], &["gate=cosine:0.2", "gate-norms=count"], &["gate=linear", "lora-rank=4"]]
        {
            let settings = plain.iter().chain(settings);
            let base = settings.fold(Given::default(), |given, setting| set(given, setting));
            for (control, given) in controls(&base).unwrap() {
                assert_eq!(Some(recipe(&given)), control.of(&recipe(&base)), "{control:?} of {base}");
            }
        }
    }
}
