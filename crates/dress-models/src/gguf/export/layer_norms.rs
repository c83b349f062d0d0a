//! What `phi2` and `gptneox` files say beside those of LLaMA's kind, and what llama.cpp cannot do for them.

use crate::gguf::entry::Entry;
use crate::gguf::family::GgufFamily;
use crate::gguf::layer_norms::ACTIVATION;
use crate::gpt_neox::GptNeoxConfig;
use crate::layer_norm_decoder::{LayerNormConfig, LayerNormFamily};
use crate::modules::{Activation, RopeScaling};

/// Checks that a model is one which llama.cpp computes: its layers alike, its width that of its heads, and of
/// its activations one.
///
/// # Errors
/// What it would do otherwise.
pub(super) fn check<F: LayerNormFamily>(
    config: &LayerNormConfig<F>,
    family: GgufFamily,
) -> Result<(), String> {
    let (name, width) = (family.name(), config.hidden_size);
    if config.widths.differ() {
        let what = F::NAME;
        return Err(format!(
            "llama.cpp has no {what} whose layers differ; remove the same number in every layer"
        ));
    }
    if width != config.num_attention_heads * config.head_dim {
        return Err(format!(
            "hidden_size {width} is not {} heads of {}, and llama.cpp's {name} takes a head's width from the quotient; \
             remove the same share of `residual` and `heads`",
            config.num_attention_heads, config.head_dim
        ));
    }
    if !computed(family).contains(&config.activation) {
        return Err(format!("llama.cpp's {name} has the activation {} alone", F::ACTIVATION));
    }
    if matches!(config.rope_scaling, Some(RopeScaling::Llama3 { .. })) {
        return Err(format!("llama.cpp's {name} has no rotary scaling of the type llama3"));
    }
    Ok(())
}

/// The activations of which llama.cpp computes one: GELU approximated by a hyperbolic tangent. GPT-NeoX was
/// trained with it computed exactly, which llama.cpp does for no file of that family.
fn computed(family: GgufFamily) -> &'static [Activation] {
    match family {
        GgufFamily::GptNeox => &[Activation::Gelu, Activation::GeluTanh],
        _ => &[Activation::GeluTanh],
    }
}

/// The metadata of GPT-NeoX alone, by whole keys.
pub(super) fn gpt_neox_entries(config: &GptNeoxConfig) -> Vec<(String, Entry)> {
    let side_by_side = format!("{}.use_parallel_residual", GgufFamily::GptNeox.name());
    let mut entries = vec![(side_by_side, Entry::Bool(config.use_parallel_residual))];
    if config.activation == Activation::GeluTanh {
        entries.push((ACTIVATION.into(), Entry::Text("gelu_new".into())));
    }
    entries
}

/// The biases that llama.cpp wants of every GPT-NeoX, zero for one that has none, by the names of their
/// tensors.
pub(super) fn missing_biases(config: &GptNeoxConfig) -> Vec<(String, Vec<f32>)> {
    let (layers, width) = (config.num_hidden_layers, config.hidden_size);
    let of_layer = |layer: usize| {
        [("attn_qkv", 3 * width), ("attn_output", width)]
            .map(|(part, rows)| (format!("blk.{layer}.{part}.bias"), vec![0.0; rows]))
    };
    (0..layers).filter(|_| !config.attention_bias).flat_map(of_layer).collect()
}
