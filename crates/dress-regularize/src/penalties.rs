//! L1, squared L2 and group penalties.

use crate::Error;
use dress_core::burn::tensor::Tensor;
use dress_core::{Error as CoreError, Penalty};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Added under the root of a group's norm, so that its gradient is zero and not NaN at zero.
const TINY: f64 = 1e-12;

/// The sum of absolute values.
#[derive(Debug, Clone, Copy, Default)]
pub struct L1;

/// The sum of squares.
#[derive(Debug, Clone, Copy, Default)]
pub struct L2;

/// The sum of the structures' L2 norms (group lasso, L2,1).
///
/// # Examples
/// ```
/// use dress_core::Penalty;
/// use dress_core::burn::tensor::{Device, Tensor};
/// use dress_regularize::Group;
///
/// let device = Device::flex();
/// // Two structures of norm 5 and 1: a step of 1 takes a fifth of the first and all of the second.
/// let groups = Tensor::<2>::from_floats([[3.0, 4.0], [0.6, 0.8]], &device);
/// assert_eq!(Group.value(groups.clone())?.into_scalar::<f32>(), 6.0);
/// let thresholds = Tensor::<2>::from_floats([[1.0], [1.0]], &device);
/// let shrunk: Vec<f32> = Group.shrink(groups, thresholds)?.expect("it has a step").into_data().iter().collect();
/// assert!((shrunk[0] - 2.4).abs() < 1e-6 && (shrunk[1] - 3.2).abs() < 1e-6);
/// assert!(shrunk[2].abs() < 1e-6 && shrunk[3].abs() < 1e-6);
/// # Ok::<(), dress_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Group;

/// The L2 norm of each row. `[structures, 1]`
fn norms(groups: Tensor<2>) -> Tensor<2> {
    ((groups.clone() * groups).sum_dim(1) + TINY).sqrt()
}

impl Penalty for L1 {
    fn name(&self) -> &str {
        "l1"
    }

    fn value(&self, groups: Tensor<2>) -> Result<Tensor<1>, CoreError> {
        Ok(groups.abs().sum())
    }

    fn shrink(&self, groups: Tensor<2>, thresholds: Tensor<2>) -> Result<Option<Tensor<2>>, CoreError> {
        let size = (groups.clone().abs() - thresholds).clamp_min(0.0);
        Ok(Some(groups.sign() * size))
    }

    fn thresholds_to_zero(&self, groups: Tensor<2>) -> Result<Option<Tensor<2>>, CoreError> {
        Ok(Some(groups.abs().max_dim(1)))
    }
}

impl Penalty for L2 {
    fn name(&self) -> &str {
        "l2"
    }

    fn value(&self, groups: Tensor<2>) -> Result<Tensor<1>, CoreError> {
        Ok((groups.clone() * groups).sum())
    }
}

impl Penalty for Group {
    fn name(&self) -> &str {
        "group"
    }

    fn value(&self, groups: Tensor<2>) -> Result<Tensor<1>, CoreError> {
        Ok(norms(groups).sum())
    }

    fn shrink(&self, groups: Tensor<2>, thresholds: Tensor<2>) -> Result<Option<Tensor<2>>, CoreError> {
        let factor = (-(thresholds / norms(groups.clone())) + 1.0).clamp_min(0.0);
        Ok(Some(groups * factor))
    }

    fn thresholds_to_zero(&self, groups: Tensor<2>) -> Result<Option<Tensor<2>>, CoreError> {
        Ok(Some(norms(groups)))
    }
}

/// One of the penalties here, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PenaltyKind {
    /// [`L1`].
    L1,
    /// [`L2`], squared.
    L2,
    /// [`Group`].
    Group,
}

impl PenaltyKind {
    /// The penalty.
    pub fn penalty(self) -> Arc<dyn Penalty> {
        match self {
            PenaltyKind::L1 => Arc::new(L1),
            PenaltyKind::L2 => Arc::new(L2),
            PenaltyKind::Group => Arc::new(Group),
        }
    }
}

impl PenaltyKind {
    /// The names of all penalties, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 3] = ["l1", "l2", "group"];
}

impl fmt::Display for PenaltyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.penalty().name())
    }
}

impl FromStr for PenaltyKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "l1" => Ok(PenaltyKind::L1),
            "l2" => Ok(PenaltyKind::L2),
            "group" => Ok(PenaltyKind::Group),
            _ => Err(Error::PenaltyName { name: text.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::burn::tensor::{Device, TensorData};

    const ROWS: [[f32; 3]; 3] = [[0.5, -1.0, 2.0], [0.0, 0.0, 0.0], [-0.3, 0.4, 0.0]];

    fn rows(values: [[f32; 3]; 3]) -> Tensor<2> {
        Tensor::from_data(TensorData::from(values), &Device::flex())
    }

    fn value(penalty: &dyn Penalty, values: [[f32; 3]; 3]) -> f64 {
        penalty.value(rows(values)).unwrap().into_scalar::<f32>().into()
    }

    #[test]
    fn values_are_the_sums_they_are_named_for() {
        assert!((value(&L1, ROWS) - 4.2).abs() < 1e-6);
        assert!((value(&L2, ROWS) - 5.5).abs() < 1e-6);
        assert!((value(&Group, ROWS) - (5.25f64.sqrt() + 0.5)).abs() < 1e-5);
    }

    #[test]
    fn gradients_equal_finite_differences_and_are_zero_at_zero() {
        for penalty in [&L1 as &dyn Penalty, &L2, &Group] {
            let leaf = rows(ROWS).autodiff().require_grad();
            let gradients = penalty.value(leaf.clone()).unwrap().backward();
            let gradient: Vec<f32> = leaf.grad(&gradients).unwrap().into_data().iter().collect();
            for (index, &found) in gradient.iter().enumerate() {
                let moved = |by: f32| {
                    let mut values = ROWS;
                    values[index / 3][index % 3] += by;
                    value(penalty, values)
                };
                let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                let name = penalty.name();
                assert!((f64::from(found) - expected).abs() < 5e-3, "{name}[{index}]: {found} {expected}");
            }
            assert!(gradient[3..6].iter().all(|g| *g == 0.0), "{}", penalty.name());
        }
    }

    #[test]
    fn the_least_thresholds_to_zero_take_every_row_exactly_there_and_lesser_ones_do_not() {
        for penalty in [&L1 as &dyn Penalty, &Group] {
            let least = penalty.thresholds_to_zero(rows(ROWS)).unwrap().unwrap();
            let shrunk = |share: f64| -> Vec<f32> {
                let groups = penalty.shrink(rows(ROWS), least.clone() * share).unwrap().unwrap();
                groups.abs().max_dim(1).into_data().iter().collect()
            };
            assert_eq!(shrunk(1.000_001), [0.0; 3], "{}", penalty.name());
            let almost = shrunk(0.9);
            assert!(almost[0] > 0.0 && almost[1] == 0.0 && almost[2] > 0.0, "{}", penalty.name());
        }
    }

    /// The proximal step is the minimiser of `t * penalty(x) + |x - w|^2 / 2`.
    #[test]
    fn the_proximal_step_minimises_its_objective() {
        for penalty in [&L1 as &dyn Penalty, &Group] {
            let thresholds = Tensor::from_data(TensorData::from([[0.4f32]; 3]), &Device::flex());
            let best = penalty.shrink(rows(ROWS), thresholds).unwrap().unwrap();
            let objective = |x: Tensor<2>| -> f64 {
                let distance = x.clone() - rows(ROWS);
                let distance = (distance.clone() * distance).sum() * 0.5;
                (penalty.value(x).unwrap() * 0.4 + distance).into_scalar::<f32>().into()
            };
            let least = objective(best.clone());
            for index in 0..9 {
                for by in [-0.05f32, 0.05] {
                    let mut nudge = [[0.0f32; 3]; 3];
                    nudge[index / 3][index % 3] = by;
                    assert!(objective(best.clone() + rows(nudge)) > least, "{} {index}", penalty.name());
                }
            }
        }
    }
}
