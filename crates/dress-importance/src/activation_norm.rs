//! The size of the activations.

use crate::ActivationStatistics;
use dress_core::{Axis, Calibration, CausalLm, Error, Progress, Scorer, Scores, Site};

/// The norm of a structure's activations over the calibration tokens (Minitron, arXiv 2407.14679).
///
/// For neurons and heads, the L2 norm of what they hand to the projection behind them. For the
/// residual width, the mean over the stream's sites of a channel's energy relative to the mean
/// channel there: the stream grows from block to block, and without that the last blocks alone
/// would decide.
#[derive(Debug, Clone, Copy, Default)]
pub struct ActivationNorm;

impl<M: CausalLm> Scorer<M> for ActivationNorm {
    fn name(&self) -> &str {
        "activation-norm"
    }

    fn needs_calibration(&self) -> bool {
        true
    }

    fn score(
        &self,
        model: &M,
        calibration: &Calibration,
        axes: &[Axis],
        progress: &dyn Progress,
    ) -> Result<Scores, Error> {
        let map = model.coupling();
        let statistics = ActivationStatistics::collect(model, calibration, "activation-norm", progress)?;
        let mut scores = Scores::new();
        for &axis in axes {
            let len = map.axis(axis)?.len;
            let of_axis = match axis {
                Axis::Ffn { layer } => norms(statistics.squares(Site::Ffn { layer }), len),
                Axis::Heads { layer } => norms(statistics.squares(Site::Heads { layer }), len),
                Axis::Residual | Axis::Depth => relative_energy(&statistics, len),
            };
            scores.insert(axis, of_axis)?;
        }
        Ok(scores)
    }
}

/// The norm of each of `len` structures, whose channels lie side by side.
fn norms(squares: Option<&[f64]>, len: usize) -> Vec<f64> {
    let squares = squares.unwrap_or(&[]);
    let width = (squares.len() / len).max(1);
    let norms = squares.chunks(width).map(|channels| channels.iter().sum::<f64>().sqrt());
    norms.chain(std::iter::repeat(0.0)).take(len).collect()
}

fn relative_energy(statistics: &ActivationStatistics, len: usize) -> Vec<f64> {
    let mut energy = vec![0.0; len];
    let stream = statistics.iter().filter(|(site, _)| site.is_stream());
    for (_, squares) in stream {
        let mean = (squares.iter().sum::<f64>() / len as f64).max(f64::MIN_POSITIVE);
        energy.iter_mut().zip(squares).for_each(|(energy, square)| *energy += square / mean);
    }
    energy
}
