//! Which part of a model needs a parameter.

use dress_core::Part;

/// [`CausalLm::is_in_part`](dress_core::CausalLm::is_in_part) of the families here: layers lie in `layers`,
/// the ends need what their names say, and a tied head the embedding.
pub(crate) fn is_in_part(parameter: &str, part: Part, tied: bool) -> bool {
    let layer = parameter.split_once("layers.").and_then(|(_, rest)| rest.split('.').next()?.parse().ok());
    if let Some(layer) = layer {
        return part == Part::Layer(layer);
    }
    let of_the_head =
        ["lm_head.", "embed_out.", "norm.", "project_out."].iter().any(|name| parameter.contains(name));
    match part {
        Part::Embedding => !of_the_head,
        Part::Layer(_) => false,
        Part::Head => of_the_head || (tied && parameter.contains("embed_tokens.")),
    }
}
