//! What slicing does to one parameter.

use std::sync::Arc;

/// The steps from a parameter of the dense model to that of the sliced one, in the layout of the files,
/// so that they can be done to a tensor in memory as well as to a file.
///
/// In this order: the mean over a dimension is taken off, indices are taken, the rest is multiplied and
/// shifted.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorEdit {
    /// The dimension whose mean is taken off (identity [E3]).
    ///
    /// [E3]: crate::identities#e3
    pub centre: Option<usize>,
    /// Per dimension that is cut, the indices that stay, in their new order; many parameters share them.
    pub takes: Vec<(usize, Arc<[usize]>)>,
    /// What the numbers are multiplied by (identity [E2]).
    ///
    /// [E2]: crate::identities#e2
    pub factor: f64,
    /// What is added to them then, for gains that are filed as one less than they are.
    pub shift: f64,
    /// Whether the parameter goes altogether, with its layer.
    pub dropped: bool,
    /// The name it has afterwards, where layers before its own went.
    pub renamed: Option<String>,
}

impl Default for TensorEdit {
    /// The edit that changes nothing.
    fn default() -> Self {
        Self { centre: None, takes: Vec::new(), factor: 1.0, shift: 0.0, dropped: false, renamed: None }
    }
}

impl TensorEdit {
    /// The shape that is left of `shape`.
    pub fn shape(&self, shape: &[usize]) -> Vec<usize> {
        let mut left = shape.to_vec();
        self.takes.iter().for_each(|(dim, kept)| left[*dim] = kept.len());
        left
    }

    /// The indices that stay of dimension `dim`, where it is cut.
    pub fn kept(&self, dim: usize) -> Option<&[usize]> {
        self.takes.iter().find(|(taken, _)| *taken == dim).map(|(_, kept)| &**kept)
    }

    /// How many numbers are left of a parameter of that shape.
    pub fn count(&self, shape: &[usize]) -> u64 {
        if self.dropped { 0 } else { self.shape(shape).iter().product::<usize>() as u64 }
    }

    /// Whether the numbers that stay are other than they were.
    pub fn changes_numbers(&self) -> bool {
        self.centre.is_some() || self.factor != 1.0 || self.shift != 0.0
    }
}
