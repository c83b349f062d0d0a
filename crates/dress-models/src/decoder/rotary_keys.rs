//! What the families of this decoder say of the rotary embedding beside its base and its scaling.

use super::FamilyRules;
use crate::checkpoint::warn_once;
use crate::config_json::Unsupported;
use crate::rope_config::{RopeConfig, in_pairs};

/// The dimensions of a head that are rotated.
pub(super) fn rotary_dims(
    rope: &RopeConfig,
    head_dim: usize,
    family: &FamilyRules,
) -> Result<usize, Unsupported> {
    let dims = match rope.partial.filter(|_| family.partial_rotary) {
        Some(share) => (head_dim as f64 * share) as usize,
        None => head_dim,
    };
    in_pairs(dims, head_dim).map_err(|reason| ("partial_rotary_factor", reason))?;
    let Some(long_rope) = &rope.long_rope else { return Ok(dims) };
    match [&long_rope.short, &long_rope.long].into_iter().find(|list| list.len() != dims / 2) {
        Some(list) => {
            let reason = format!("a list of {} divisors is not one for {} frequencies", list.len(), dims / 2);
            Err(("rope_scaling", reason))
        }
        None => Ok(dims),
    }
}

/// Most families rotate whole heads. Stock software passes over a share of them, but where the frequencies
/// are stretched its table takes the share and no longer fits the heads.
pub(super) fn check_partial(rope: &RopeConfig, head_dim: usize, class: &str) -> Result<(), Unsupported> {
    let Some(share) = rope.partial.filter(|share| (head_dim as f64 * share) as usize != head_dim) else {
        return Ok(());
    };
    if rope.scaling.is_some() {
        let reason = format!("{share} of a head cannot be rotated in {class}, which rotates whole heads");
        return Err(("partial_rotary_factor", reason));
    }
    let said =
        format!("config.json: `partial_rotary_factor` {share} is ignored, since {class} rotates whole heads");
    warn_once(said);
    Ok(())
}
