//! What a model is called in files that may be published.

use crate::checkpoint::hub_id;
use dress_core::published_path;
use std::path::Path;

/// What a file that may be published calls the model at `path`: its id where it lies in the cache of the
/// Hugging Face hub, and else the path as [`published_path`] says it.
///
/// # Examples
/// ```
/// use dress_models::published_name;
///
/// let cached = "/home/me/.cache/huggingface/hub/models--org--dense/snapshots/0123";
/// assert_eq!(published_name(cached.as_ref()), "org/dense");
/// assert_eq!(published_name("/home/me/models/dense".as_ref()), "dense");
/// ```
pub fn published_name(path: &Path) -> String {
    hub_id(path).unwrap_or_else(|| published_path(path))
}
