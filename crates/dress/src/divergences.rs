//! Whether a run brought a model nearer to the dense model that it learnt from.

use crate::{Error, QualityText};
use dress_core::{CausalLm, NoProgress, Progress, Unit};
use dress_data::Windows;
use dress_eval::{Alignment, PairedDifference, departure};
use serde::{Deserialize, Serialize};

/// How far the next-token distributions of the models before and after a run are from the dense model's, on
/// the same blocks.
///
/// # Examples
/// ```
/// use dress::Divergences;
///
/// let found = Divergences::of(&[0.25, 0.75], &[0.5, 1.0]).expect("both are of two blocks");
/// assert_eq!((found.before, found.after, found.difference.difference), (0.5, 0.75, 0.25));
/// assert!(found.difference.is_clear(), "the model after is as much further away on every block");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Divergences {
    /// The mean over blocks of `KL(dense || before)`, in nats a token.
    pub before: f64,
    /// That of `KL(dense || after)`.
    pub after: f64,
    /// How much further away the model after is, block by block.
    pub difference: PairedDifference,
}

impl Divergences {
    /// Of what was found on every block of the model before and of the one after; none where these are not
    /// the same blocks, or none.
    pub fn of(before: &[f64], after: &[f64]) -> Option<Self> {
        let difference = PairedDifference::of_values(before, after)?;
        let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
        Some(Self { before: mean(before), after: mean(after), difference })
    }
}

/// How far `model` is from `dense` on every block of a text, in nats a token.
pub(crate) fn divergences<M: CausalLm>(
    model: &M,
    dense: &M,
    text: &QualityText,
    progress: &dyn Progress,
) -> Result<Vec<f64>, Error> {
    // Streams are not compared, which what was sliced may have in other coordinates.
    let alignment = Alignment { turned: true, ..Alignment::default() };
    let stage = progress.begin("divergence", Unit::Blocks, text.windows.windows.len() as u64);
    let mut found = Vec::new();
    for window in &text.windows.windows {
        let &Windows { stride, protocol, bos, .. } = &text.windows;
        let provenance = text.windows.provenance.clone();
        let one = Windows { windows: vec![window.clone()], provenance, stride, protocol, bos };
        found.push(departure(model, dense, &alignment, &one, None, &NoProgress)?.kl);
        stage.advance(1)?;
    }
    Ok(found)
}
