//! Files that other commands wrote.

use crate::Error;
use dress_core::{CausalLm, SlicePlan};
use std::path::Path;

/// Reads a text file; `wanted` is what the user should give where that cannot be done.
///
/// # Errors
/// [`Error::Unreadable`].
pub fn read_text(path: &Path, wanted: &'static str) -> Result<String, Error> {
    dress_core::files::read_to_string(path).map_err(|cause| Error::Unreadable {
        path: path.into(),
        wanted,
        cause,
    })
}

/// Reads a plan that was made before, by these programs or by hand, for a model that need not have its
/// weights.
///
/// # Errors
/// [`Error::Unreadable`], and those of [`SlicePlan::for_model`].
pub fn read_plan<M: CausalLm>(path: &Path, model: &M) -> Result<SlicePlan, Error> {
    let text = read_text(path, "a plan that dress score or prune wrote, or one of your own")?;
    Ok(SlicePlan::for_model(&text, path, model)?)
}
