//! What a forward pass costs on some machine, from measurements of a few shapes.

use crate::Error;
use dress_core::{AxisKind, AxisSelection, CausalLm, CouplingMap, Ratio, Selection, parameters};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use serde::{Deserialize, Serialize};

/// Seconds of a forward pass as a sum over its layers and matrices. The measurements it was fitted to say how
/// well that does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Of every layer, whatever its width.
    #[serde(alias = "per_block")]
    pub per_layer: f64,
    /// Of every element of the layers' matrices.
    #[serde(alias = "in_blocks")]
    pub in_layers: f64,
    /// Of every element of the matrices outside: the head.
    pub outside: f64,
}

/// How much of what costs time a shape has.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Layers.
    pub layers: usize,
    /// Elements of the layers' matrices.
    pub in_layers: u64,
    /// Elements of other matrices that a token is multiplied with, a tied head included.
    pub outside: u64,
}

impl Load {
    /// What `model`, which need not have its weights, has.
    pub fn of<M: CausalLm>(model: &M) -> Self {
        let list = parameters::list(model);
        let (mut in_layers, mut outside) = (0, 0);
        for matrix in model.coupling().multiplied(&list) {
            let of = if parameters::layer_of(&matrix.name).is_some() { &mut in_layers } else { &mut outside };
            *of += matrix.elements();
        }
        Self { layers: model.num_layers(), in_layers, outside }
    }

    fn terms(self) -> [f64; 3] {
        [self.layers as f64, self.in_layers as f64, self.outside as f64]
    }
}

impl Latency {
    /// The costs, none of them negative, with which the relative errors of the measured seconds are least in
    /// the mean square.
    ///
    /// # Errors
    /// [`Error::NoTime`] for what is no duration.
    pub fn fit(measured: &[(Load, f64)]) -> Result<Self, Error> {
        let bad = measured.iter().find(|(_, seconds)| !(seconds.is_finite() && *seconds > 0.0));
        if let Some(&(_, seconds)) = bad {
            return Err(Error::NoTime { seconds });
        }
        // Three costs: every choice of those that are not zero can be tried.
        let candidates = (1..8u8).filter_map(|chosen| least_squares(measured, chosen));
        let error = |costs: &Self| {
            let errors =
                measured.iter().map(|(load, seconds)| (costs.seconds(*load) / seconds - 1.0).powi(2));
            errors.sum::<f64>()
        };
        let best = candidates.min_by(|a, b| error(a).total_cmp(&error(b)));
        // None of no measurement alone.
        best.ok_or(Error::NoTime { seconds: 0.0 })
    }

    /// Seconds of a pass through that much.
    pub fn seconds(&self, load: Load) -> f64 {
        let terms = load.terms();
        self.per_layer * terms[0] + self.in_layers * terms[1] + self.outside * terms[2]
    }
}

/// The least-squares costs where only the `chosen` ones (bits) are not zero; none where one would be
/// negative.
fn least_squares(measured: &[(Load, f64)], chosen: u8) -> Option<Latency> {
    let chosen: Vec<usize> = (0..3).filter(|index| chosen >> index & 1 == 1).collect();
    // Columns of one size, so that seconds an element and seconds a layer can be told apart in f64.
    let scale = |index: usize| measured.iter().map(|(load, _)| load.terms()[index]).fold(0.0, f64::max);
    let scales: Vec<f64> = chosen.iter().map(|&index| scale(index)).collect();
    if scales.contains(&0.0) {
        return None;
    }
    let at = |row: usize, column: usize| {
        measured[row].0.terms()[chosen[column]] / scales[column] / measured[row].1
    };
    let design = Mat::from_fn(measured.len(), chosen.len(), at);
    let ones = Mat::from_fn(measured.len(), 1, |_, _| 1.0);
    let normal = design.transpose() * &design;
    let solved = normal.llt(Side::Lower).ok()?.solve(design.transpose() * &ones);
    let mut costs = [0.0; 3];
    for (column, &index) in chosen.iter().enumerate() {
        costs[index] = solved[(column, 0)] / scales[column];
    }
    let [per_layer, in_layers, outside] = costs;
    costs.iter().all(|cost| cost.is_finite() && *cost >= 0.0).then_some(Latency {
        per_layer,
        in_layers,
        outside,
    })
}

/// Shapes whose times tell the costs of a model apart: half of the width gone, of the neurons, of the heads,
/// of the layers. They are for these crates alone, not for stock software.
pub fn shapes_to_time<M: CausalLm>(model: &M) -> Vec<Selection> {
    let map = model.coupling();
    let kinds = [AxisKind::Residual, AxisKind::Ffn, AxisKind::Heads, AxisKind::Depth];
    kinds.into_iter().filter_map(|kind| half(&map, kind)).collect()
}

/// Half of every axis of a kind.
fn half(map: &CouplingMap, kind: AxisKind) -> Option<Selection> {
    let ratio = Ratio::new(0.5).ok()?;
    let mut selection = Selection::new();
    for axis in map.of_kind(kind).ok()? {
        let len = map.axis(axis).ok()?.len;
        let kept = ratio.kept(len, 1);
        if kept < len {
            selection = selection.with(axis, AxisSelection::new(len, (kept..len).collect()).ok()?);
        }
    }
    (!selection.is_empty()).then_some(selection)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads() -> Vec<Load> {
        let load = |layers, in_layers, outside| Load { layers, in_layers, outside };
        vec![
            load(30, 106_000_000, 28_000_000),
            load(30, 53_000_000, 14_000_000),
            load(30, 66_000_000, 28_000_000),
            load(15, 53_000_000, 28_000_000),
        ]
    }

    #[test]
    fn costs_that_made_the_times_are_found_again() {
        let costs = Latency { per_layer: 2e-5, in_layers: 1e-10, outside: 3e-10 };
        let measured: Vec<_> = loads().into_iter().map(|load| (load, costs.seconds(load))).collect();
        let found = Latency::fit(&measured).unwrap();
        for (a, b) in [
            (found.per_layer, costs.per_layer),
            (found.in_layers, costs.in_layers),
            (found.outside, costs.outside),
        ] {
            assert!((a / b - 1.0).abs() < 1e-6, "{a} for {b}");
        }
    }

    #[test]
    fn no_cost_is_negative_and_too_little_is_refused() {
        // Narrower was a little slower: without the bound an element would have a negative cost.
        let seconds = [0.030, 0.031, 0.0305, 0.015];
        let measured: Vec<_> = loads().into_iter().zip(seconds).collect();
        let found = Latency::fit(&measured).unwrap();
        assert!(found.per_layer > 0.0 && found.in_layers >= 0.0 && found.outside >= 0.0, "{found:?}");
        for (load, seconds) in &measured {
            assert!((found.seconds(*load) / seconds - 1.0).abs() < 0.03, "{found:?} at {load:?}");
        }
        for refused in [&[][..], &[(measured[0].0, f64::NAN)], &[(measured[0].0, 0.0)]] {
            assert!(Latency::fit(refused).unwrap_err().to_string().contains("shapes_to_time"));
        }
    }
}
