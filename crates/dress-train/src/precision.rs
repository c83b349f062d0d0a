//! Steps smaller than half-precision weights can take.

use crate::Error;
use dress_core::burn::optim::{Optimizer, RecordState, StateSink, StateSource, join_path};
use dress_core::burn::tensor::{DType, Device, Tensor};
use dress_core::round_at_random;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What is done about steps that the type of the weights cannot express: a bf16 weight has eight bits, so
/// that an update below 1/512 of it is lost, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Nothing: steps are computed in f32 and rounded to the nearest number of the weights' type. Right for
    /// f32.
    #[default]
    AsIs,
    /// The optimizer keeps every weight in f32 beside the model's: exact, four bytes a weight more.
    MasterWeights,
    /// Steps are computed in f32 and rounded up or down at random, each as likely as it is near, so that they
    /// are right on average (Gupta et al. 2015, arXiv 1502.02551): no memory beside the optimizer's state.
    StochasticRounding,
}

impl Precision {
    /// What is right for weights of that type: [`Precision::MasterWeights`] for half precision.
    pub fn of_weights(dtype: DType) -> Self {
        match dtype {
            DType::F16 | DType::BF16 => Precision::MasterWeights,
            _ => Precision::AsIs,
        }
    }
}

/// An optimizer whose steps are taken in f32 and rounded, to the nearest number or at random. Its state is in
/// f32 whatever the weights are, since Burn reads a record as the device's own type: state of another type
/// would not be what it was after a checkpoint or a cut.
#[derive(Clone)]
pub(crate) struct Rounded<O> {
    pub optimizer: O,
    pub at_random: bool,
}

impl<O: Optimizer> Optimizer for Rounded<O> {
    type State<const D: usize> = O::State<D>;

    fn step<const D: usize>(
        &self,
        lr: f64,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let dtype = tensor.dtype();
        let (tensor, grad) = (tensor.cast(DType::F32), grad.cast(DType::F32));
        let (stepped, state) = self.optimizer.step(lr, tensor, grad, state);
        let rounded = if self.at_random { round_at_random(stepped, dtype) } else { stepped.cast(dtype) };
        (rounded, state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        O::to_device(state, device)
    }
}

/// An optimizer that keeps the weights in f32.
#[derive(Clone)]
pub(crate) struct MasterWeights<O>(pub O);

/// The weights in f32, and the state of the optimizer that moves them.
#[derive(Clone)]
pub(crate) struct MasterState<const D: usize, S> {
    master: Tensor<D>,
    inner: Option<S>,
}

impl<const D: usize, S: RecordState> RecordState for MasterState<D, S> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_tensor(prefix, "master", self.master.to_data());
        if let Some(inner) = &self.inner {
            inner.state_flatten(&join_path(prefix, "inner"), out);
        }
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        let master = Tensor::from_data(source.take_tensor(prefix, "master")?, (device, DType::F32));
        let inner = S::state_unflatten(&join_path(prefix, "inner"), source, device);
        Some(Self { master, inner })
    }
}

impl<O: Optimizer> Optimizer for MasterWeights<O> {
    type State<const D: usize> = MasterState<D, O::State<D>>;

    fn step<const D: usize>(
        &self,
        lr: f64,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let dtype = tensor.dtype();
        let (master, inner) = match state {
            Some(state) => (reconcile(state.master, &tensor), state.inner),
            None => (tensor.cast(DType::F32), None),
        };
        let (master, inner) = self.0.step(lr, master, grad.cast(DType::F32), inner);
        (master.clone().cast(dtype), Some(MasterState { master, inner }))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        let inner = state.inner.map(|inner| O::to_device(inner, device));
        MasterState { master: state.master.to_device(device), inner }
    }
}

/// The master, but for weights that something else than the optimizer has set since, such as a proximal step.
fn reconcile<const D: usize>(master: Tensor<D>, tensor: &Tensor<D>) -> Tensor<D> {
    let set = master.clone().cast(tensor.dtype()).not_equal(tensor.clone());
    master.mask_where(set, tensor.clone().cast(DType::F32))
}

impl Precision {
    /// The names of all precisions, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 3] = ["as-is", "master-weights", "stochastic-rounding"];
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::AsIs => "as-is",
            Precision::MasterWeights => "master-weights",
            Precision::StochasticRounding => "stochastic-rounding",
        })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = [Precision::AsIs, Precision::MasterWeights, Precision::StochasticRounding];
        let found = all.into_iter().find(|precision| precision.to_string() == text);
        found.ok_or_else(|| Error::Name {
            what: "precision of the steps",
            name: text.into(),
            known: "as-is, master-weights or stochastic-rounding",
        })
    }
}
