//! How many tokens a block has.

use crate::Error;

/// `chosen` tokens a block, or without a choice the lesser of `usual` and the model's `positions`.
///
/// # Errors
/// [`Error::TooLong`] where more are chosen than the model has positions for.
///
/// # Examples
/// ```
/// use dress_core::seqlen_or;
///
/// assert_eq!(seqlen_or(None, 2048, 1024)?, 1024);
/// assert_eq!(seqlen_or(Some(512), 2048, 1024)?, 512);
/// assert!(seqlen_or(Some(4096), 2048, 1024).is_err());
/// # Ok::<(), dress_core::Error>(())
/// ```
pub fn seqlen_or(chosen: Option<usize>, usual: usize, positions: usize) -> Result<usize, Error> {
    match chosen {
        Some(seqlen) if seqlen > positions => Err(Error::TooLong { seqlen, positions }),
        Some(seqlen) => Ok(seqlen),
        None => Ok(usual.min(positions)),
    }
}
