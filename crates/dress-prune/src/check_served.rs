//! Whether engines serve what a selection leaves.

use crate::Error;
use dress_core::{CausalLm, Selection};
use dress_engines::{EngineFormat, ModelShape, ServedWeight, Verdict};
use std::collections::BTreeMap;

/// Checks that every format serves what `selection` leaves of `model`, and that no weight gets another type
/// than it should for the sake of what goes. The model need not have its weights.
///
/// # Errors
/// [`Error::NotServed`].
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":64,"intermediate_size":96,"num_hidden_layers":1,
/// #     "num_attention_heads":2,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Axis, AxisSelection, Selection};
/// use dress_engines::EngineTable;
/// use dress_prune::check_served;
///
/// let formats = EngineTable::built_in().formats(&["llama.cpp:q8_0", "vllm"])?;
/// let without = |gone: usize| AxisSelection::new(96, (96 - gone..96).collect());
/// let axis = Axis::Ffn { layer: 0 };
/// assert!(check_served(&model, &Selection::new().with(axis, without(32)?), &formats).is_ok());
/// let refused = check_served(&model, &Selection::new().with(axis, without(30)?), &formats).unwrap_err();
/// assert!(refused.to_string().contains("rows of 66"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check_served<M: CausalLm>(
    model: &M,
    selection: &Selection,
    formats: &[EngineFormat],
) -> Result<(), Error> {
    let dense = ModelShape::of(model);
    let shape = dense.sliced(selection);
    for format in formats {
        if let Some(reason) = refusal(format, &shape).or_else(|| lost(format, &shape, &dense)) {
            return Err(Error::NotServed { format: format.to_string(), reason });
        }
    }
    Ok(())
}

/// Why a format does not serve a shape, whatever types its weights get.
pub(crate) fn refusal(format: &EngineFormat, shape: &ModelShape) -> Option<String> {
    match format.verdict(shape) {
        Verdict::Refused { why } | Verdict::Wrong { why } => Some(why),
        _ => None,
    }
}

/// Which weight gets a type further from the one that it should get than in the model as it is.
fn lost(format: &EngineFormat, shape: &ModelShape, dense: &ModelShape) -> Option<String> {
    let before: BTreeMap<String, usize> =
        format.serve(dense).weights.into_iter().map(|weight| (weight.name, weight.fallbacks)).collect();
    let is_lost = |weight: &ServedWeight| weight.fallbacks > before.get(&weight.name).copied().unwrap_or(0);
    let weight = format.serve(shape).weights.into_iter().find(is_lost)?;
    let ServedWeight { name, row, wanted, found, .. } = weight;
    let found = found.unwrap_or_default();
    Some(format!("{name} has rows of {row}, and gets {found} in place of {wanted}"))
}
