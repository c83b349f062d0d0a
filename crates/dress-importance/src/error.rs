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
    /// A criterion that was given and would not be used.
    #[error("criterion `{criterion}` scores none of the axes given{}; give {use_instead}",
        .first.as_ref().map_or(String::new(), |first| format!(", since `{first}` was given before it")))]
    CriterionUnused {
        /// The criterion.
        criterion: String,
        /// The one that scores what it would have scored.
        first: Option<String>,
        /// What to give.
        use_instead: &'static str,
    },
}
