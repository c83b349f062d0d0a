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
        "`{name}` is not a schedule; use constant, linear, cosine or growing, or linear:0.2 to be done after a fifth of the steps"
    )]
    ScheduleName {
        /// The name as given.
        name: String,
    },
    /// A ramp that does not end within the run.
    #[error(
        "a schedule's ramp is {ramp}: it has to be above 0 and at most 1, the share of the steps it takes"
    )]
    Ramp {
        /// The ramp.
        ramp: f64,
    },
    /// A name that says nothing of the norms.
    #[error("`{name}` is not what a gate does to norms; use count or fixed")]
    GateNormsName {
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
    /// A layer that cannot be taken to zero.
    #[error(
        "layer {layer} cannot be regularized as a whole: its norms are on the residual stream itself, or its coupling map has no parameter of it that writes the stream; slice it without regularizing"
    )]
    LayerDoesMoreThanAdd {
        /// The layer.
        layer: usize,
    },
    /// A penalty that cannot be applied as a proximal step.
    #[error("penalty `{penalty}` has no proximal step that reaches zero; use l1 or group, or the loss form")]
    NoProximalStep {
        /// The penalty.
        penalty: String,
    },
    /// A penalty of another crate of which settings from a file have the name.
    #[error(
        "the penalty `{name}` is of another crate, and settings that were read from a file have its name alone; give it again"
    )]
    PenaltyNotGiven {
        /// The name.
        name: String,
    },
    /// A selection that does not fit the model.
    #[error(transparent)]
    Core(#[from] dress_core::Error),
}
