//! The list of this decoder's families.

use super::{FamilyRules, gemma, granite, llama, mistral, olmo2, phi3, qwen2, qwen3, smollm3};

/// The families of this decoder.
pub(crate) static FAMILIES: [&FamilyRules; 10] = [
    &llama::RULES,
    &mistral::RULES,
    &qwen2::RULES,
    &qwen3::RULES,
    &phi3::RULES,
    &smollm3::RULES,
    &granite::RULES,
    &olmo2::RULES,
    &gemma::GEMMA2,
    &gemma::GEMMA3,
];

impl FamilyRules {
    /// The family of a `model_type`.
    pub(crate) fn of(model_type: &str) -> Option<&'static Self> {
        FAMILIES.into_iter().find(|rules| rules.model_type == model_type)
    }
}
