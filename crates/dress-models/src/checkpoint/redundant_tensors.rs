//! Tensors that follow from the rest of a checkpoint.

/// Tensors that older exports carry though they follow from the rest: rotary tables, masks, numbers of
/// positions and of the format's version. They are left out without a word.
pub(super) fn is_redundant(name: &str) -> bool {
    let tables = ["inv_freq", "original_inv_freq", "cos_cached", "sin_cached"];
    let masks = [".self_attn.bias", ".self_attn.masked_bias", ".attention.bias", ".attention.masked_bias"];
    let endings = [&masks[..], &["decoder.version", "position_ids"]].concat();
    match name.rsplit_once("rotary_emb.") {
        Some((_, rest)) => tables.contains(&rest),
        None => endings.iter().any(|ending| name.ends_with(ending)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_the_rest_is_redundant_and_a_head_is_not() {
        for name in [
            "model.layers.0.self_attn.rotary_emb.inv_freq",
            "rotary_emb.inv_freq",
            "model.layers.0.self_attn.rotary_emb.cos_cached",
            "decoder.version",
            "model.decoder.version",
            "model.layers.3.self_attn.masked_bias",
            "gpt_neox.layers.3.attention.bias",
        ] {
            assert!(is_redundant(name), "{name}");
        }
        for name in ["lm_head.weight", "gpt_neox.layers.0.attention.dense.bias", "rotary_emb.scale"] {
            assert!(!is_redundant(name), "{name}");
        }
    }
}
