//! The bytes of one model's shapes as engines serve them.

use crate::gone::Gone;
use dress_core::{Axis, CausalLm};
use dress_engines::{EngineFormat, ModelShape};

/// What shapes of a model take where engines serve them, each layer by its own sizes. Of several engines the
/// one counts whose share of what it serves of the whole model is the greatest; that share is given in bytes
/// of the first engine.
pub(crate) struct ServedBytes {
    formats: Vec<EngineFormat>,
    shape: ModelShape,
    /// What the whole model takes in each format.
    whole: Vec<f64>,
}

impl ServedBytes {
    /// Of `model`, which need not have its weights.
    pub fn new<M: CausalLm>(model: &M, formats: &[EngineFormat]) -> Self {
        let shape = ModelShape::of(model);
        let whole = formats.iter().map(|format| format.bytes(&shape) as f64).collect();
        Self { formats: formats.to_vec(), shape, whole }
    }

    /// What is left where that many structures are gone.
    pub fn left(&self, gone: &Gone) -> f64 {
        let shape = self.shape.without(gone);
        let share = |(format, whole): (&EngineFormat, &f64)| format.bytes(&shape) as f64 / whole;
        self.formats.iter().zip(&self.whole).map(share).fold(0.0, f64::max) * self.whole[0]
    }

    /// How much less is left without so many structures of one axis, in the mean over the engines. Of axes
    /// that no parameter lies on together it adds up.
    pub fn saved(&self, axis: Axis, gone: usize) -> f64 {
        let part = self.shape.along(axis);
        let less = part.without(&Gone::from([(axis, gone)]));
        let bytes = |format: &EngineFormat, shape: &ModelShape| format.bytes(shape) as f64;
        let share =
            |(format, whole): (&EngineFormat, &f64)| (bytes(format, &part) - bytes(format, &less)) / whole;
        let shares: f64 = self.formats.iter().zip(&self.whole).map(share).sum();
        shares / self.formats.len() as f64 * self.whole[0]
    }
}
