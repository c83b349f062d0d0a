//! Models that are in memory one part at a time.

use crate::{Calibration, CausalLm, Error, Forward, Part, Progress, Tap, Unit};
use burn::tensor::Tensor;

/// Brings the parts of a model into memory, one at a time.
pub trait Parts {
    /// The model.
    type Model: CausalLm;

    /// The model without its weights: its shapes and its coupling map.
    fn declared(&self) -> &Self::Model;

    /// The model with the weights of the parameters whose name is `wanted`; the others stay as they were
    /// declared.
    ///
    /// # Errors
    /// [`Error::Part`] where they cannot be had.
    fn filled(&self, wanted: &dyn Fn(&str) -> bool) -> Result<Self::Model, Error>;

    /// The model with the weights of one part.
    ///
    /// # Errors
    /// Those of [`Parts::filled`].
    fn part(&self, part: Part) -> Result<Self::Model, Error> {
        self.filled(&|parameter| self.declared().is_in_part(parameter, part))
    }
}

/// Runs calibration blocks through a model of which one part at a time is in memory; the residual stream of
/// all of them is kept instead. Every [`Site`](crate::Site) passes the tap, in the order of the sites and not
/// of the blocks of tokens.
///
/// # Errors
/// Those of [`Calibration::require`], naming `who` asked, and of [`Parts::part`].
pub fn forward_by_parts<P: Parts>(
    parts: &P,
    calibration: &Calibration,
    tap: &mut dyn Tap,
    who: &str,
    progress: &dyn Progress,
) -> Result<(), Error> {
    run_by_parts(parts, calibration, tap, who, progress, |stream| stream)
}

/// As [`forward_by_parts`], with the last position of each block alone going through the head.
///
/// # Errors
/// Those of [`forward_by_parts`].
pub fn forward_last_by_parts<P: Parts>(
    parts: &P,
    calibration: &Calibration,
    tap: &mut dyn Tap,
    who: &str,
    progress: &dyn Progress,
) -> Result<(), Error> {
    run_by_parts(parts, calibration, tap, who, progress, |stream| {
        let seq = stream.dims()[1];
        stream.narrow(1, seq - 1, 1)
    })
}

/// `of_head` says what of a residual stream goes through the head.
fn run_by_parts<P: Parts>(
    parts: &P,
    calibration: &Calibration,
    tap: &mut dyn Tap,
    who: &str,
    progress: &dyn Progress,
    of_head: impl Fn(Tensor<3>) -> Tensor<3>,
) -> Result<(), Error> {
    calibration.require(parts.declared(), who)?;
    let layers = parts.declared().num_layers();
    let stage = progress.begin(who, Unit::Layers, layers as u64 + 2);
    let mut streams: Vec<Tensor<3>> = Vec::new();
    let model = parts.part(Part::Embedding)?;
    for block in &calibration.blocks {
        let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
        streams.push(model.embed_tapped(tokens, &mut Forward::new(tap)));
    }
    drop(model);
    stage.advance(1)?;
    for layer in 0..layers {
        let model = parts.part(Part::Layer(layer))?;
        for stream in &mut streams {
            *stream = model.layer_tapped(layer, stream.clone(), &mut Forward::new(tap));
        }
        stage.advance(1)?;
    }
    let model = parts.part(Part::Head)?;
    for stream in streams {
        model.head(of_head(stream), &mut Forward::new(tap));
    }
    stage.advance(1)
}
