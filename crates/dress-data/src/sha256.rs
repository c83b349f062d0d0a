//! Naming files by their content.

use sha2::{Digest, Sha256};

/// SHA-256 of `bytes`, in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of bytes that come one after the other.
#[derive(Default)]
pub(crate) struct Stream(Sha256);

impl Stream {
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// In hexadecimal.
    pub fn hex(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
