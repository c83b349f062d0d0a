//! Naming files by their content.

use sha2::{Digest, Sha256};

/// SHA-256 of `bytes`, in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
