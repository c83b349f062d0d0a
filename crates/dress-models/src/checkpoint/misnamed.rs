//! Why a checkpoint's tensors are not those of its model.

use super::Weights;
use crate::{Error, TensorNames};
use std::collections::BTreeMap;

/// What stands at the end of the names of tensors that quantizers write beside their weights, and who does.
const QUANTIZERS: &[(&str, &str)] = &[
    (".absmax", "bitsandbytes, 4 bits"),
    (".quant_map", "bitsandbytes, 4 bits"),
    (".quant_state.bitsandbytes__nf4", "bitsandbytes, 4 bits"),
    (".quant_state.bitsandbytes__fp4", "bitsandbytes, 4 bits"),
    (".SCB", "bitsandbytes, 8 bits"),
    (".qweight", "GPTQ or AWQ"),
    (".qzeros", "GPTQ or AWQ"),
    (".g_idx", "GPTQ"),
    (".weight_packed", "compressed-tensors"),
    (".weight_scale", "compressed-tensors or FP8"),
    (".weight_scale_inv", "FP8 in blocks"),
    (".W_q", "HQQ"),
    (".weight._data", "quanto"),
];

/// What wraps a model while it is trained, and what leaves a name between the parts of another.
const WRAPPERS: &[(&str, &str)] = &[
    ("_orig_mod.", "torch.compile"),
    ("_fsdp_wrapped_module.", "FullyShardedDataParallel"),
    ("_checkpoint_wrapped_module.", "activation checkpointing"),
    ("_forward_module.", "Lightning Fabric"),
    ("base_model.model.", "PEFT"),
    ("module.", "DataParallel or DeepSpeed"),
];

/// The error for parameters that no file holds: the one cause that explains them, where there is one.
pub(super) fn cause(files: &Weights, family: TensorNames, missing: Vec<String>, unknown: Vec<&str>) -> Error {
    let path = || files.path().to_path_buf();
    if let Some((tensor, scheme)) = quantizer(&unknown) {
        return Error::Quantized { path: path(), tensor: tensor.into(), scheme };
    }
    let adapter =
        |name: &&&str| [".base_layer.", ".lora_A.", ".lora_B."].iter().any(|part| name.contains(part));
    if let Some(tensor) = unknown.iter().find(adapter) {
        return Error::AdapterNotMerged { path: path(), tensor: tensor.to_string() };
    }
    if let Some(error) = prefixed(files, family, &missing, &unknown) {
        return error;
    }
    if let Some(error) = misplaced(files, family, &missing) {
        return error;
    }
    if missing.iter().all(|name| family.is_of_head(name)) {
        return Error::HeadMissing { path: path(), missing };
    }
    let unknown = unknown.into_iter().filter(|name| !super::redundant_tensors::is_redundant(name));
    Error::Names { path: path(), missing, unknown: unknown.map(str::to_string).collect() }
}

/// Refuses weights that are codes of a quantizer, whose tables are left over. Tables beside weights that are
/// floats are leftovers like others.
///
/// # Errors
/// [`Error::Quantized`].
pub(super) fn check_not_quantized(files: &Weights, unknown: &[&str]) -> Result<(), Error> {
    let of_codes = |name: &&&str| {
        let ending = QUANTIZERS.iter().find(|(ending, _)| name.ends_with(ending));
        let Some((ending, _)) = ending else { return false };
        let base = name.trim_end_matches(ending).trim_end_matches(".weight");
        files.is_float(&format!("{base}.weight")) == Some(false)
    };
    match unknown.iter().find(of_codes).and_then(|name| quantizer(&[name])) {
        Some((tensor, scheme)) => {
            Err(Error::Quantized { path: files.path().into(), tensor: tensor.into(), scheme })
        }
        None => Ok(()),
    }
}

/// A tensor that only a quantizer writes, and which one.
fn quantizer<'a>(names: &[&'a str]) -> Option<(&'a str, &'static str)> {
    names.iter().find_map(|name| {
        let (_, scheme) = QUANTIZERS.iter().find(|(ending, _)| name.ends_with(ending))?;
        Some((*name, *scheme))
    })
}

/// The error for names that are right but for a prefix or for what a wrapper left in them.
fn prefixed(files: &Weights, family: TensorNames, missing: &[String], unknown: &[&str]) -> Option<Error> {
    let path = files.path().to_path_buf();
    for (wrapper, writer) in WRAPPERS {
        let bare = |name: &&&str| {
            let bare = name.replace(wrapper, "");
            name.contains(wrapper) && is_one_of(&bare, family, missing)
        };
        let mut wrapped = unknown.iter().filter(bare);
        if let Some(tensor) = wrapped.next() {
            let (prefix, count) = (wrapper.to_string(), wrapped.count() + 1);
            let writer = Some(*writer);
            return Some(Error::Prefixed { path, prefix, count, tensor: tensor.to_string(), writer });
        }
    }
    let (prefix, named) = most_common_prefix(family, missing, unknown)?;
    let (key, _) = prefix.split_once('.')?;
    if files.is_nested(key) {
        return Some(Error::Nested { path, key: key.into() });
    }
    let (tensor, count) = (named.first()?.to_string(), named.len());
    Some(Error::Prefixed { path, prefix, count, tensor, writer: None })
}

/// Whether a name is that of a missing parameter, with or without its prefix.
fn is_one_of(name: &str, family: TensorNames, missing: &[String]) -> bool {
    family.meanings(name).any(|meant| missing.contains(&meant))
}

/// What most of the missing parameters are preceded by in the files, where it is more than half of them.
fn most_common_prefix<'a>(
    family: TensorNames,
    missing: &[String],
    unknown: &[&'a str],
) -> Option<(String, Vec<&'a str>)> {
    let mut prefixes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in unknown {
        // Shorter prefixes leave longer names, so that the first that is missing is the whole name.
        let mut ends = name.match_indices('.').map(|(dot, _)| dot + 1);
        if let Some(end) = ends.find(|&end| is_one_of(&name[end..], family, missing)) {
            prefixes.entry(&name[..end]).or_default().push(name);
        }
    }
    let (prefix, named) = prefixes.into_iter().max_by_key(|(_, named)| named.len())?;
    (2 * named.len() > missing.len()).then(|| (prefix.to_string(), named))
}

/// The error for parameters that the index places in a file which does not hold them.
fn misplaced(files: &Weights, family: TensorNames, missing: &[String]) -> Option<Error> {
    let index = files.index()?;
    let place = |name: &String| {
        let short = family.stripped(name).unwrap_or(name);
        let file = index.place_of(name).or_else(|| index.place_of(short))?;
        Some(format!("{name} (indexed in {file}, not there)"))
    };
    let tensors: Vec<String> = missing.iter().filter_map(place).collect();
    (!tensors.is_empty()).then(|| Error::IndexDisagrees { path: index.path().into(), tensors })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_most_names_is_found_and_that_of_a_few_is_not() {
        let missing = ["model.norm.weight", "model.embed_tokens.weight", "lm_head.weight"].map(String::from);
        let all = ["state_dict.model.norm.weight", "state_dict.model.embed_tokens.weight", "epoch"];
        let (prefix, named) = most_common_prefix(TensorNames::HUGGING_FACE, &missing, &all).unwrap();
        assert_eq!((prefix.as_str(), named.len()), ("state_dict.", 2));
        assert!(most_common_prefix(TensorNames::HUGGING_FACE, &missing, &all[..1]).is_none());
    }
}
