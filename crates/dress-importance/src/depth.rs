//! Criteria of whole blocks.

use crate::ActivationStatistics;
use dress_core::burn::tensor::Tensor;
use dress_core::{Axis, Calibration, CausalLm, Error, Forward, NoTap, Progress, Scores, Site};

/// `1 - mean cos(x, block(x))` (ShortGPT, arXiv 2403.03853).
pub(crate) fn block_influence(statistics: &ActivationStatistics, blocks: usize) -> Result<Scores, Error> {
    let influence = (0..blocks).map(|layer| 1.0 - statistics.cosine(layer).unwrap_or(0.0));
    let mut scores = Scores::new();
    scores.insert(Axis::Depth, influence.collect())?;
    Ok(scores)
}

/// Removes, one after the other, the block without which the loss on the calibration blocks is least, and
/// scores each by when it went (SLEB, arXiv 2402.09025). At most `most` go; the others score alike, highest.
pub(crate) fn sleb<M: CausalLm>(
    model: &M,
    calibration: &Calibration,
    most: usize,
    progress: &dyn Progress,
) -> Result<Scores, Error> {
    let blocks = model.num_blocks();
    let most = most.clamp(1, blocks.saturating_sub(1).max(1));
    let mut gone = vec![false; blocks];
    let mut scores = vec![most as f64; blocks];
    progress.start("sleb", (0..most).map(|round| (blocks - round) as u64).sum());
    for round in 0..most {
        let mut best: Option<(usize, f64)> = None;
        for candidate in (0..blocks).filter(|&block| !gone[block]) {
            let mut without = gone.clone();
            without[candidate] = true;
            let loss = loss_without(model, calibration, &without);
            if best.is_none_or(|(_, least)| loss < least) {
                best = Some((candidate, loss));
            }
            progress.advance(1, &format!("round {} of {most}, loss {loss:.3}", round + 1));
        }
        let Some((block, _)) = best else { break };
        gone[block] = true;
        scores[block] = round as f64;
    }
    progress.finish();
    let mut of_depth = Scores::new();
    of_depth.insert(Axis::Depth, scores)?;
    Ok(of_depth)
}

/// The mean loss of the model without the blocks that are `gone`.
fn loss_without<M: CausalLm>(model: &M, calibration: &Calibration, gone: &[bool]) -> f64 {
    let mut sum = 0.0;
    for block in &calibration.blocks {
        let ids = Calibration::tensor(std::slice::from_ref(block), &model.device());
        let mut tap = NoTap;
        let mut pass = Forward::new(&mut tap);
        let embedded = model.embed(ids.clone(), &mut pass);
        let mut hidden: Tensor<3> = pass.pass(Site::Embedding, embedded);
        for layer in (0..gone.len()).filter(|&layer| !gone[layer]) {
            hidden = model.block(layer, hidden, &mut pass);
        }
        sum += f64::from(model.loss_of_hidden(hidden, ids, &mut pass).into_scalar::<f32>());
    }
    sum / calibration.blocks.len() as f64
}
