//! FLAP's scores of all axes in one unit.

use dress_core::{Axis, CouplingMap, Error, Role, Scores};

/// The mean over a structure's channels of FLAP's weighted fluctuation, less its mean over all channels of
/// the axis and over their standard deviation (arXiv 2312.11983), from each structure's `sums` and sums of
/// `squares` of it. So heads and neurons of all layers compare.
pub(crate) fn standardized(map: &CouplingMap, sums: &Scores, squares: &Scores) -> Result<Scores, Error> {
    let mut scores = Scores::new();
    for (axis, sums) in sums.iter() {
        let slots = &map.axis(axis)?.slots;
        let width = slots.iter().find(|slot| slot.role == Role::Reads).map_or(1, |slot| slot.block);
        // A channel of the stream has several readers, whose sum is what counts.
        let own = |sum: &f64| sum * sum;
        let squares: f64 = match axis {
            Axis::Residual => sums.iter().map(own).sum(),
            _ => squares.get(axis).unwrap_or_default().iter().sum(),
        };
        let channels = (sums.len() * width) as f64;
        let mean = sums.iter().sum::<f64>() / channels;
        let variance = (squares - channels * mean * mean) / (channels - 1.0).max(1.0);
        let deviation = variance.max(0.0).sqrt().max(f64::MIN_POSITIVE);
        let of_axis = sums.iter().map(|sum| (sum / width as f64 - mean) / deviation);
        scores.insert(axis, of_axis.collect())?;
    }
    Ok(scores)
}
