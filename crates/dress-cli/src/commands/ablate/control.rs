//! What a penalty has to be better than.

use super::given::Given;
use crate::Error;
use crate::ablation::Setting;
use crate::commands::regularize_args::REGULARIZE_OPTIONS;

/// The controls, all else as in the base: their names, and what makes them.
const CONTROLS: [(&str, &str); 3] = [
    ("control: sliced directly", "no-regularize=on"),
    ("control: sliced first, then trained", "gate=constant"),
    ("control: trained without a penalty, then sliced", "no-penalty=on"),
];

/// The controls of `base`: neither of those that train has anything else of the regularization, and both train for as many
/// steps as the base.
///
/// # Errors
/// Those of [`Given::with`].
pub(super) fn controls(base: &Given) -> Result<Vec<(String, Given)>, Error> {
    let plain = base.without(&REGULARIZE_OPTIONS);
    let control =
        |(name, setting): (&str, &str)| Ok((name.into(), plain.with(&setting.parse::<Setting>()?)?));
    CONTROLS.into_iter().map(control).collect()
}
