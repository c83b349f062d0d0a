//! Minitron's activations.

use crate::activations::{norms, not_passed};
use crate::{ActivationStatistics, Criterion};
use dress_core::{Axis, CouplingMap, Error, Scores, Site};

/// The size of a structure's activations (Minitron, arXiv 2407.14679): the mean absolute value over each
/// sequence, the L2 norm over sequences, which the paper settles on. Of neurons what they hand on; of heads
/// the L2 norm over their channels; of the stream's channels the sum over all norms before attention and
/// feed-forward networks of what these hand on.
pub(crate) fn minitron(
    statistics: &ActivationStatistics,
    map: &CouplingMap,
    axes: &[Axis],
) -> Result<Scores, Error> {
    let sizes =
        |axis, site| statistics.mean_sizes(site).ok_or_else(|| not_passed(Criterion::Minitron, axis, site));
    let mut scores = Scores::new();
    for &axis in axes {
        let len = map.axis(axis)?.len;
        let of_axis = match axis {
            Axis::Ffn { layer } => sizes(axis, Site::Ffn { layer })?,
            Axis::Heads { layer } => {
                let sizes = sizes(axis, Site::Heads { layer })?;
                norms(&sizes.into_iter().map(|size| size * size).collect::<Vec<_>>(), len)
            }
            Axis::Residual | Axis::Depth => {
                let is_norm =
                    |site: &Site| matches!(site, Site::AttentionInput { .. } | Site::FfnInput { .. });
                let mut passed = statistics.sites().filter(is_norm).peekable();
                let none = Site::AttentionInput { layer: 0 };
                passed.peek().ok_or_else(|| not_passed(Criterion::Minitron, axis, none))?;
                let mut sum = vec![0.0; len];
                for site in passed {
                    sum.iter_mut().zip(sizes(axis, site)?).for_each(|(sum, size)| *sum += size);
                }
                sum
            }
        };
        scores.insert(axis, of_axis)?;
    }
    Ok(scores)
}
