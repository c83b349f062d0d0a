//! What slicing does to one parameter.

/// The steps from a parameter of the dense model to that of the sliced one, in the layout of the files,
/// so that they can be done to a tensor in memory as well as to a file.
///
/// In this order: the mean over a dimension is taken off, indices are taken, the rest is multiplied.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorEdit {
    /// The dimension whose mean is taken off (identity E3).
    pub centre: Option<usize>,
    /// Per dimension that is cut, the indices that stay, in their new order.
    pub takes: Vec<(usize, Vec<usize>)>,
    /// What the numbers are multiplied by (identity E2).
    pub factor: f64,
}

impl Default for TensorEdit {
    /// The edit that changes nothing.
    fn default() -> Self {
        Self { centre: None, takes: Vec::new(), factor: 1.0 }
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
        self.takes.iter().find(|(taken, _)| *taken == dim).map(|(_, kept)| kept.as_slice())
    }

    /// Whether the numbers that stay are other than they were.
    pub fn changes_numbers(&self) -> bool {
        self.centre.is_some() || self.factor != 1.0
    }
}
