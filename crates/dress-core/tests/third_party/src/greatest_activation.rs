//! A scorer of somebody else's that reads activations.

use dress_core::burn::tensor::Tensor;
use dress_core::{Axis, Calibration, CausalLm, Error, Forward, Progress, Scorer, Scores, Site, Tap, Unit};
use std::collections::BTreeMap;

/// Scores a structure by the size of its greatest activation.
pub struct GreatestActivation;

/// The greatest size of each channel that passed, at all sites of an axis.
#[derive(Default)]
struct Greatest(BTreeMap<Axis, Vec<f64>>);

impl Tap for Greatest {
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        let [_, _, width] = value.dims();
        let found = value.clone().abs().max_dim(1).max_dim(0).into_data();
        let known = self.0.entry(site.axis()).or_insert_with(|| vec![0.0; width]);
        known.iter_mut().zip(found.iter::<f64>()).for_each(|(known, found)| *known = known.max(found));
        value
    }
}

impl<M: CausalLm> Scorer<M> for GreatestActivation {
    fn name(&self) -> &str {
        "greatest-activation"
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
        calibration.require(model, "greatest-activation")?;
        let mut greatest = Greatest::default();
        let stage = progress.begin("greatest-activation", Unit::Blocks, calibration.blocks.len() as u64);
        for block in &calibration.blocks {
            let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
            model.forward(tokens, &mut Forward::new(&mut greatest));
            stage.advance(1)?;
        }
        let (map, mut scores) = (model.coupling(), Scores::new());
        for &axis in axes {
            let nothing = || Error::other(format!("no activation is of axis `{axis}`"));
            let channels = greatest.0.get(&axis).ok_or_else(nothing)?;
            let greatest_of = |channels: &[f64]| channels.iter().copied().fold(0.0, f64::max);
            let each = channels.len() / map.axis(axis)?.len;
            scores.insert(axis, channels.chunks(each).map(greatest_of).collect())?;
        }
        Ok(scores)
    }
}
