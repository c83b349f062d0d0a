//! The weights of a checkpoint by the names of the parameters that its model declares.

use super::Weights;
use crate::{Error, Family, FusedTensor};
use dress_core::parameters;
use std::collections::HashMap;
use std::path::Path;

impl Weights {
    /// [`Weights::open`] of a checkpoint that `declared` is the model of: every parameter that its files hold
    /// together with others is a tensor under its own name.
    ///
    /// # Errors
    /// Those of [`Weights::open`], and [`Error::TensorShape`] where such a tensor does not have the rows of
    /// its parts.
    pub(crate) fn open_for<F: Family>(declared: &F, path: &Path) -> Result<Self, Error> {
        let (mut weights, fused) = (Self::open(path)?, declared.fused());
        if fused.is_empty() {
            return Ok(weights);
        }
        let shapes: HashMap<String, Vec<usize>> =
            parameters::list(declared).into_iter().map(|found| (found.name, found.shape)).collect();
        let by_meaning: HashMap<String, String> = weights
            .names()
            .into_iter()
            .flat_map(|name| F::NAMES.meanings(name).map(move |meaning| (meaning, name.to_string())))
            .collect();
        for FusedTensor { name, parts } in fused {
            let Some(filed) = by_meaning.get(&name) else { continue };
            let rows = |part: String| {
                let rows = shapes.get(&part).and_then(|shape| shape.first()).copied();
                (part, rows.unwrap_or(0))
            };
            weights.take_apart(filed, &parts.into_iter().map(rows).collect::<Vec<_>>())?;
        }
        Ok(weights)
    }

    /// Gives the rows of a tensor names of their own, by which they are read from then on.
    fn take_apart(&mut self, name: &str, rows: &[(String, usize)]) -> Result<(), Error> {
        match self {
            Weights::Safetensors(files) => files.take_apart(name, rows),
            Weights::Pytorch(files) => files.take_apart(name, rows),
            // What reads GGUF metadata has taken them apart.
            Weights::Gguf(_) => Ok(()),
        }
    }
}
