//! What `phi2` and `gptneox` files say, as keys of `config.json`.

use super::config_keys::{Keys, Sizes, share, theta};
use super::facts::Facts;
use super::family::GgufFamily;
use super::rope::{scale, shortest};
use crate::gpt_neox::GptNeox;
use crate::layer_norm_decoder::LayerNormFamily;
use crate::phi::Phi;
use serde_json::json;

/// The key under which these crates name the activation of a GPT-NeoX, where it is not the usual one.
/// llama.cpp computes the same for both forms of GELU, and no metadata tells which of them the model was
/// trained with.
pub(super) const ACTIVATION: &str = "dress.hidden_act";

/// The keys that decoders of LLaMA's kind have otherwise.
pub(super) fn config_keys(facts: &Facts<'_, '_>, sizes: &Sizes) -> Result<Keys, String> {
    let &Sizes { width, head_dim, heads, .. } = sizes;
    let epsilon = "attention.layer_norm_epsilon";
    let mut keys: Keys = vec![
        ("model_type", json!(facts.family.model_type())),
        ("layer_norm_eps", json!(shortest(facts.need(epsilon, facts.float(epsilon))?))),
        ("tie_word_embeddings", json!(false)),
    ];
    if head_dim.checked_mul(heads as u64) != Some(width) {
        keys.push(("head_dim", json!(head_dim)));
    }
    if scale(facts)? != 1.0 {
        keys.push(("rope_scaling", json!({ "rope_type": "linear", "factor": scale(facts)? })));
    }
    let rotated = share(facts.number("rope.dimension_count").unwrap_or(head_dim), head_dim);
    keys.extend(match facts.family {
        GgufFamily::GptNeox => gpt_neox_keys(facts, sizes, rotated)?,
        _ => phi_keys(rotated),
    });
    Ok(keys)
}

/// The keys of Phi-1 to Phi-2.
fn phi_keys(rotated: f64) -> Keys {
    vec![
        ("architectures", json!([Phi::ARCHITECTURE])),
        ("hidden_act", json!(Phi::ACTIVATION)),
        ("partial_rotary_factor", json!(rotated)),
    ]
}

fn gpt_neox_keys(facts: &Facts<'_, '_>, sizes: &Sizes, rotated: f64) -> Result<Keys, String> {
    if sizes.kv_heads != sizes.heads {
        let key = facts.key("attention.head_count_kv");
        return Err(format!("`{key}`: heads that share keys and values are not built for this family"));
    }
    let side_by_side = "use_parallel_residual";
    let activation = facts.header.metadata.get(ACTIVATION).and_then(|name| name.text());
    Ok(vec![
        ("architectures", json!([GptNeox::ARCHITECTURE])),
        ("hidden_act", json!(activation.unwrap_or(GptNeox::ACTIVATION))),
        ("attention_bias", json!(facts.header.tensors.contains_key("blk.0.attn_qkv.bias"))),
        (side_by_side, json!(facts.need(side_by_side, facts.bool(side_by_side))?)),
        ("rotary_pct", json!(rotated)),
        ("rotary_emb_base", json!(theta(facts))),
    ])
}
