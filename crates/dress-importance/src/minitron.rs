//! Minitron's activations.

use crate::ActivationStatistics;
use dress_core::{Axis, CouplingMap, Error, Scores, Site};

/// The size of a structure's activations (Minitron, arXiv 2407.14679): the mean absolute value over each
/// sequence, the L2 norm over sequences, which the paper settles on. Of neurons what they hand on; of heads the L2 norm
/// over their channels; of the stream's channels the sum over all norms before attention and feed-forward networks of
/// what these hand on.
pub(crate) fn minitron(
    statistics: &ActivationStatistics,
    map: &CouplingMap,
    axes: &[Axis],
) -> Result<Scores, Error> {
    let sizes = |site| statistics.mean_sizes(site).unwrap_or_default();
    let mut scores = Scores::new();
    for &axis in axes {
        let len = map.axis(axis)?.len;
        let of_axis = match axis {
            Axis::Ffn { layer } => sizes(Site::Ffn { layer }),
            Axis::Heads { layer } => norms(&sizes(Site::Heads { layer }), len),
            Axis::Residual | Axis::Depth => {
                let is_norm =
                    |site: &Site| matches!(site, Site::AttentionInput { .. } | Site::FfnInput { .. });
                let mut sum = vec![0.0; len];
                for site in statistics.sites().filter(is_norm) {
                    sum.iter_mut().zip(sizes(site)).for_each(|(sum, size)| *sum += size);
                }
                sum
            }
        };
        let padded = of_axis.into_iter().chain(std::iter::repeat(0.0)).take(len);
        scores.insert(axis, padded.collect())?;
    }
    Ok(scores)
}

/// The L2 norms of `len` structures whose channels lie side by side.
fn norms(channels: &[f64], len: usize) -> Vec<f64> {
    let width = (channels.len() / len).max(1);
    channels.chunks(width).map(|of| of.iter().map(|x| x * x).sum::<f64>().sqrt()).collect()
}
