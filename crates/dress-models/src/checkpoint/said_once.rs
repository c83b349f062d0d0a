//! Warnings that a run says once, however often it opens a checkpoint.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Warns, unless the same was said before.
pub(crate) fn warn_once(message: String) {
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if !said.contains(&message) {
        tracing::warn!("{message}");
        said.insert(message);
    }
}
