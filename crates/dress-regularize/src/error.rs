//! What can go wrong while setting up a penalty.

/// Errors of penalties and schedules.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that is no penalty.
    #[error("`{name}` is not a penalty; use l1, l2 or group")]
    PenaltyName {
        /// The name as given.
        name: String,
    },
    /// A name that is no schedule.
    #[error(
        "`{name}` is not a schedule; use constant, linear, or linear:0.2 to reach the full strength after a fifth of the steps"
    )]
    ScheduleName {
        /// The name as given.
        name: String,
    },
    /// A selection whose structures are not at the end of their axis.
    #[error(
        "axis `{axis}`: the selected structures are not the last ones; permute the model and the selection first"
    )]
    NotPermuted {
        /// The axis.
        axis: String,
    },
    /// A penalty that cannot be applied as a proximal step.
    #[error("penalty `{penalty}` has no proximal step that reaches zero; use l1 or group, or the loss form")]
    NoProximalStep {
        /// The penalty.
        penalty: String,
    },
    /// A selection that does not fit the model.
    #[error(transparent)]
    Core(#[from] dress_core::Error),
}
