//! Criteria of whole layers.

use crate::ActivationStatistics;
use dress_core::burn::tensor::Tensor;
use dress_core::{Axis, Calibration, CausalLm, Error, Forward, NoTap, Progress, Scores, Unit};

/// `1 - mean cos(x, layer(x))` (ShortGPT, arXiv 2403.03853).
pub(crate) fn block_influence(statistics: &ActivationStatistics, layers: usize) -> Result<Scores, Error> {
    let influence = (0..layers).map(|layer| 1.0 - statistics.cosine(layer).unwrap_or(0.0));
    let mut scores = Scores::new();
    scores.insert(Axis::Depth, influence.collect())?;
    Ok(scores)
}

/// Removes, one after the other, the layer without which the loss on the calibration blocks is least, and
/// scores each by when it went (SLEB, arXiv 2402.09025). At most `most` go; the others score alike, highest.
pub(crate) fn sleb<M: CausalLm>(
    model: &M,
    calibration: &Calibration,
    most: usize,
    progress: &dyn Progress,
) -> Result<Scores, Error> {
    let layers = model.num_layers();
    let most = most.clamp(1, layers.saturating_sub(1).max(1));
    let mut left: Vec<usize> = (0..layers).collect();
    let mut scores = vec![most as f64; layers];
    let stage = progress.begin("sleb", Unit::Blocks, most as u64 * calibration.blocks.len() as u64);
    for round in 0..most {
        let mut losses = vec![0.0; left.len()];
        for block in &calibration.blocks {
            add_losses_without_each(model, &left, block, &mut losses);
            stage.advance_with(1, None, &format!("round {} of {most}", round + 1))?;
        }
        let least = (0..left.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b]));
        let Some(place) = least else { break };
        scores[left.remove(place)] = round as f64;
    }
    drop(stage);
    let mut of_depth = Scores::new();
    of_depth.insert(Axis::Depth, scores)?;
    Ok(of_depth)
}

/// Adds to `losses` the loss on one calibration block of the model of the layers `left`, without each of
/// them. What comes before the layer left out is computed once.
fn add_losses_without_each<M: CausalLm>(model: &M, left: &[usize], block: &[u32], losses: &mut [f64]) {
    let ids = Calibration::tensor(&[block.to_vec()], &model.device());
    let mut tap = NoTap;
    let mut pass = Forward::new(&mut tap);
    let mut before: Tensor<3> = model.embed(ids.clone(), &mut pass);
    for (place, loss) in losses.iter_mut().enumerate() {
        let after = left[place + 1..].iter();
        let hidden = after.fold(before.clone(), |hidden, &layer| model.layer(layer, hidden, &mut pass));
        *loss += f64::from(model.loss_of_hidden(hidden, ids.clone(), &mut pass).into_scalar::<f32>());
        before = model.layer(left[place], before, &mut pass);
    }
}
