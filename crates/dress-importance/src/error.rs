//! What can go wrong while choosing a scorer.

/// Errors of scorers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that is no criterion.
    #[error("`{name}` is not a criterion; use one of {known}")]
    CriterionName {
        /// The name as given.
        name: String,
        /// The names there are.
        known: String,
    },
}
