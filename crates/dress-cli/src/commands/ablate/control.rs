//! What a penalty has to be better than.

use super::given::Given;
use crate::Error;
use crate::ablation::Setting;
use crate::commands::regularize_args::REGULARIZE_OPTIONS;

/// What says which weights a gated run trains, which a control of it trains too.
const WHAT_TRAINS: [&str; 4] = ["gate", "lora_rank", "lora_alpha", "lora_targets"];

/// The controls of `base`, all else as there: neither of those that train has anything else of the regularization, and both train
/// for as many steps as the base. Low-rank factors cannot be trained without a gate, so that a base of them has no control
/// without a penalty.
///
/// # Errors
/// Those of [`Given::with`].
pub(super) fn controls(base: &Given) -> Result<Vec<(String, Given)>, Error> {
    let plain = base.without(&REGULARIZE_OPTIONS);
    let others = REGULARIZE_OPTIONS.into_iter().filter(|option| !WHAT_TRAINS.contains(option));
    let gated = base.without(&others.collect::<Vec<_>>());
    let mut controls = vec![
        ("control: sliced directly", &plain, "no-regularize=on"),
        ("control: sliced first, then trained", &gated, "gate=constant"),
    ];
    if !base.has("lora-rank") {
        controls.push(("control: trained without a penalty, then sliced", &plain, "no-penalty=on"));
    }
    let control = |(name, from, setting): (&str, &Given, &str)| {
        Ok((name.into(), from.with(&setting.parse::<Setting>()?)?))
    };
    controls.into_iter().map(control).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_trains_what_its_base_trains() {
        let set = |given: Given, setting: &str| given.with(&setting.parse().unwrap()).unwrap();
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
}
