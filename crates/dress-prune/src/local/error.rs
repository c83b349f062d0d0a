//! What can go wrong where layers are regularized one at a time.

use std::path::PathBuf;

/// Errors of regularizing layers one at a time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// Not what a layer reads.
    #[error("`{name}` is not what a layer reads; use dense or pruned")]
    InputsName {
        /// The name.
        name: String,
    },
    /// The width, of layers that read what those before them become.
    #[error(
        "layers that lose channels are regularized one at a time on the dense stream alone; give `local = dense`"
    )]
    Width,
    /// An axis that no layer can be regularized for alone.
    #[error(
        "axis `{axis}` is not one layer's, so that layers cannot be regularized one at a time; choose ffn, heads or residual, or leave out `local`"
    )]
    Axis {
        /// The axis.
        axis: String,
    },
    /// Layers by parts, and no word of regularizing layers one at a time.
    #[error(
        "one layer is in memory at a time only where layers are regularized one at a time; give `local` too"
    )]
    NotLocal,
    /// Something that needs the whole model where one layer at a time is in memory.
    #[error(
        "{what} needs the whole model at once, and one layer at a time is in memory; leave it out, or have all layers in memory with `PruneJob::run`"
    )]
    NotByLayers {
        /// What needs it.
        what: String,
    },
    /// Layers that are to be kept as they finish, and no directory to keep them in.
    #[error("layers that are regularized one at a time are kept as they finish; give the run a directory")]
    NoPlaceForLayers,
    /// Layers that read what others become which are not at hand.
    #[error(
        "layer {first} would read what the layers before it become, and they are not among those that are asked for; give `local = dense`, or all layers"
    )]
    PartOfASequence {
        /// The first layer that is asked for.
        first: usize,
    },
    /// Streams that nobody reads.
    #[error(
        "streams of the dense model are read with `local = dense` alone; give that, or leave out `streams`"
    )]
    StreamsUnread,
    /// Streams that were made before and are not those that are needed.
    #[error("{path}: streams of another model, other blocks of text or another type of weights; make those of this run with `keep_streams`, in another directory, or leave them out", path = .path.display())]
    StreamsOfAnother {
        /// The file.
        path: PathBuf,
    },
    /// A layer that was kept when it was finished and is not what was written.
    #[error("{path}: what was kept of a finished layer is damaged ({reason}); make it again by `PruneByParts::run` with `force`", path = .path.display())]
    DamagedLayer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting that means nothing where layers are regularized one at a time.
    #[error(
        "{setting} has no effect where layers are regularized one at a time; leave it out, or leave out `local`"
    )]
    Setting {
        /// The setting, with what it is.
        setting: String,
    },
}
