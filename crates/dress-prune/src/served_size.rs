//! Sizes of kinds of axes that engines take.

use crate::size_rounding::nearest_to_ratio;
use crate::{AxisTarget, Error};
use dress_core::{AxisKind, Ratio};

/// How far a size may be from the one that was asked for without a warning, as a share of its axis.
const UNNOTICED: f64 = 0.05;

/// How much stays of a kind of axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size {
    pub kind: AxisKind,
    /// Structures of the longest axis of the kind.
    pub len: usize,
    pub kept: usize,
    /// Of what the kept count is a multiple.
    pub step: usize,
}

impl Size {
    pub fn ratio(self) -> Result<Ratio, Error> {
        Ok(Ratio::new(1.0 - self.kept as f64 / self.len as f64)?)
    }

    pub fn target(self) -> Result<AxisTarget, Error> {
        Ok(AxisTarget::new(self.kind, self.ratio()?, self.step))
    }

    /// How far it is from what a ratio asks for, as a share of the axis.
    pub fn off(self, asked: Ratio) -> f64 {
        (self.kept as f64 / self.len as f64 - (1.0 - asked.get())).abs()
    }
}

/// One of each.
pub(crate) fn combinations(options: &[Vec<Size>]) -> Vec<Vec<Size>> {
    options.iter().fold(vec![Vec::new()], |shapes, sizes| {
        let with = |shape: &Vec<Size>| {
            let shape = shape.clone();
            sizes.iter().map(move |&size| shape.iter().copied().chain([size]).collect())
        };
        shapes.iter().flat_map(with).collect()
    })
}

/// What is removed for these sizes, of the kinds that lose something.
pub(crate) fn targets(sizes: &[Size]) -> Result<Vec<AxisTarget>, Error> {
    sizes.iter().filter(|size| size.kept < size.len).map(|size| size.target()).collect()
}

/// What would ask for a shape, and what it keeps.
pub(crate) fn named(sizes: &[Size]) -> String {
    let joined = |of: fn(&Size) -> String| sizes.iter().map(of).collect::<Vec<_>>().join(",");
    let axes = joined(|size| size.kind.to_string());
    let ratios = joined(|size| format!("{:.4}", 1.0 - size.kept as f64 / size.len as f64));
    let kept = joined(|size| format!("{} of {}", size.kept, size.len)).replace(',', ", ");
    format!("`axes = {axes}` `ratios = {ratios}` ({kept})")
}

/// Says where a size is not the one that was asked for.
pub(crate) fn warn_of_another_size(size: Size, asked: Ratio) {
    if size.off(asked) > UNNOTICED {
        let Size { kind, len, kept, .. } = size;
        tracing::warn!("{}", nearest_to_ratio(kind, [kept, len], asked, "the target and the engines take"));
    }
}
