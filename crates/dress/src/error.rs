//! Whatever can go wrong between opening a checkpoint and saving the smaller one.

use std::path::PathBuf;

/// Errors of the whole path: those of the crates behind it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Of the shared vocabulary.
    #[error(transparent)]
    Core(#[from] dress_core::Error),
    /// Of finding a device.
    #[error(transparent)]
    Machine(#[from] dress_machine::Error),
    /// Of models and checkpoints.
    #[error(transparent)]
    Models(#[from] dress_models::Error),
    /// Of corpora and tokenizers.
    #[error(transparent)]
    Data(#[from] dress_data::Error),
    /// Of selecting and slicing.
    #[error(transparent)]
    Prune(#[from] dress_prune::Error),
    /// Of measuring.
    #[error(transparent)]
    Eval(#[from] dress_eval::Error),
    /// Of training, and of what it keeps.
    #[error(transparent)]
    Train(#[from] dress_train::Error),
    /// Layers that the model does not have.
    #[error("the layers {}..{} are not all there: this model has {layers}, from 0", .asked.start, .asked.end)]
    NoSuchLayers {
        /// The layers that were asked for.
        asked: std::ops::Range<usize>,
        /// How many there are.
        layers: usize,
    },
    /// A directory that holds no part of a run.
    #[error("{path}: not a part of a run over layers ({reason}); give what `PruneByParts::run` wrote", path = .path.display())]
    NoPart {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A part of another run.
    #[error("{path}: a part of another run, with {what}; give parts of one plan, one text and the same settings", path = .path.display())]
    ForeignPart {
        /// The directory.
        path: PathBuf,
        /// What it differs in.
        what: String,
    },
    /// Layers that no part has.
    #[error("no part has finished {}; use `PruneByParts::run` for what is missing, and join all parts then", layers_text(.layers))]
    LayersMissing {
        /// Their numbers.
        layers: Vec<usize>,
    },
    /// A layer that two parts have.
    #[error("layer {layer} is in {first} and in {second}; give each layer once", first = .first.display(), second = .second.display())]
    LayerTwice {
        /// Its number.
        layer: usize,
        /// One of the parts.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
}

/// Numbers of layers, for people.
fn layers_text(layers: &[usize]) -> String {
    let numbers: Vec<String> = layers.iter().map(ToString::to_string).collect();
    match numbers.as_slice() {
        [one] => format!("layer {one}"),
        _ => format!("layers {}", numbers.join(", ")),
    }
}
