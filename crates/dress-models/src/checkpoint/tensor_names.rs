//! Which tensor of the files is which parameter of a model.

use super::Weights;
use super::misnamed::cause;
use super::redundant_tensors::is_redundant;
use super::said_once::warn_once;
use super::same_tensor::are_same;
use crate::name_lists::ten;
use crate::{Error, Family, TensorNames};
use dress_core::parameters;
use std::collections::{BTreeMap, BTreeSet};

/// By parameter, the name that the files have for it. As in `transformers`, a tensor's name may lack the
/// prefix that its parameter begins with, or have one too many; a tied embedding may be filed as the head
/// alone; and tensors that the model does not have are not read.
///
/// # Errors
/// [`Error::Names`] and the more precise causes of [`cause`], [`Error::NamedTwice`], [`Error::HeadDiffers`],
/// and those of comparing tensors.
pub(crate) fn match_names<F: Family>(
    declared: &F,
    files: &Weights,
) -> Result<BTreeMap<String, String>, Error> {
    let expected: BTreeSet<String> = parameters::list(declared).into_iter().map(|p| p.name).collect();
    let (mut names, mut unknown) = (BTreeMap::new(), Vec::new());
    for found in files.names() {
        match parameter_of(found, F::NAMES, &expected) {
            Some(parameter) => match names.get(&parameter).copied() {
                None => {
                    names.insert(parameter, found);
                }
                Some(other) => check_same(files, parameter, other, found)?,
            },
            None => unknown.push(found),
        }
    }
    if !F::NAMES.heads.iter().any(|head| expected.contains(*head)) {
        settle_tied_head(F::NAMES, &expected, files, &mut names, &mut unknown)?;
    }
    let missing: Vec<String> =
        expected.iter().filter(|name| !names.contains_key(name.as_str())).cloned().collect();
    if !missing.is_empty() {
        return Err(cause(files, F::NAMES, missing, unknown));
    }
    unknown.retain(|name| !is_redundant(name));
    cause_of_leftovers(files, &unknown)?;
    Ok(names.into_iter().map(|(parameter, found)| (parameter, found.to_string())).collect())
}

/// The parameter that a tensor's name means.
fn parameter_of(found: &str, names: TensorNames, expected: &BTreeSet<String>) -> Option<String> {
    names.meanings(found).find(|name| expected.contains(name))
}

/// Two names for one parameter have to hold the same numbers, since which one counts is not for us to say.
fn check_same(files: &Weights, parameter: String, first: &str, second: &str) -> Result<(), Error> {
    if are_same(files, first, second)? {
        return Ok(());
    }
    let names = [first, second].map(str::to_string);
    Err(Error::NamedTwice { path: files.path().into(), parameter, names })
}

/// In a tied model the head is the embedding: it stands in for one that is not filed, and else has to equal
/// it.
fn settle_tied_head<'a>(
    family: TensorNames,
    expected: &BTreeSet<String>,
    files: &Weights,
    names: &mut BTreeMap<String, &'a str>,
    unknown: &mut Vec<&'a str>,
) -> Result<(), Error> {
    let Some(at) = unknown.iter().position(|name| family.is_head(name)) else { return Ok(()) };
    let head = unknown.remove(at);
    let Some(embedding) = expected.iter().find(|name| family.is_embedding(name)) else {
        return Ok(());
    };
    match names.get(embedding) {
        None => {
            names.insert(embedding.clone(), head);
            Ok(())
        }
        Some(filed) if are_same(files, head, filed)? => Ok(()),
        Some(filed) => Err(Error::HeadDiffers {
            path: files.path().into(),
            head: head.into(),
            embedding: filed.to_string(),
        }),
    }
}

/// Names what is left over, or refuses it where it says that the weights are not plain numbers.
fn cause_of_leftovers(files: &Weights, unknown: &[&str]) -> Result<(), Error> {
    if unknown.is_empty() {
        return Ok(());
    }
    super::misnamed::check_not_quantized(files, unknown)?;
    warn_once(format!(
        "{}: {} tensors are no part of the model of its config.json and are not read, as in transformers: {}",
        files.path().display(),
        unknown.len(),
        ten(unknown)
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_lack_its_prefix_or_have_one_too_many() {
        let expected = BTreeSet::from(["model.norm.weight".to_string(), "lm_head.weight".to_string()]);
        for (found, parameter) in [
            ("norm.weight", Some("model.norm.weight")),
            ("model.norm.weight", Some("model.norm.weight")),
            ("model.model.norm.weight", Some("model.norm.weight")),
            ("model.lm_head.weight", Some("lm_head.weight")),
            ("lm_head.weight", Some("lm_head.weight")),
            ("module.norm.weight", None),
        ] {
            assert_eq!(
                parameter_of(found, TensorNames::HUGGING_FACE, &expected).as_deref(),
                parameter,
                "{found}"
            );
        }
    }
}
