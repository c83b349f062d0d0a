//! What a fused operation is, and how it becomes a step of Burn's autodiff graph.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
    Flex,
};
use burn::tensor::{Bytes, DType, GradientCheckpointingStrategy, Shape, Tensor};
use std::fmt::Debug;

/// An operation of `N` tensors with one result.
pub(crate) trait Fused<const N: usize>: Debug + Send + 'static {
    /// What the gradient needs of the forward pass.
    type State: Clone + Debug + Send + 'static;

    /// The result. Without `tracked` no gradient will be asked for.
    fn forward(&self, inputs: [FlexTensor; N], tracked: bool) -> (FlexTensor, Self::State);

    /// The gradients of the inputs; those not in `wanted` may be left out.
    fn gradients(&self, state: Self::State, output: FlexTensor, wanted: [bool; N])
    -> [Option<FlexTensor>; N];
}

/// Tensors that the operations here can work on.
pub(crate) enum Inputs<const N: usize> {
    Plain([FlexTensor; N]),
    Tracked([FloatTensor<Autodiff<Flex>>; N]),
}

impl<const N: usize> Inputs<N> {
    /// `None` unless all are `f32` tensors of `flex`, off the autodiff graph or on one that keeps what it
    /// needs.
    pub fn new(tensors: [DispatchTensor; N]) -> Option<Self> {
        let tensors: Vec<One> = tensors.into_iter().map(One::new).collect::<Option<_>>()?;
        let plain = |one: &One| matches!(one, One::Plain(_));
        if tensors.iter().all(plain) {
            let tensors: Vec<_> = tensors.into_iter().filter_map(One::plain).collect();
            tensors.try_into().ok().map(Inputs::Plain)
        } else {
            let tensors: Vec<_> = tensors.into_iter().map(One::tracked).collect();
            tensors.try_into().ok().map(Inputs::Tracked)
        }
    }
}

enum One {
    Plain(FlexTensor),
    Tracked(FloatTensor<Autodiff<Flex>>),
}

impl One {
    fn new(tensor: DispatchTensor) -> Option<Self> {
        const KEPT: DispatchAutodiffContext =
            DispatchAutodiffContext::Enabled(GradientCheckpointingStrategy::Disabled);
        let one = match (tensor.kind, tensor.autodiff) {
            (DispatchTensorKind::Flex(BackendTensor::Float(plain)), _) => One::Plain(plain),
            (DispatchTensorKind::Autodiff(kind), KEPT) => match *kind {
                DispatchTensorKind::Flex(BackendTensor::Autodiff(tracked)) => One::Tracked(tracked),
                _ => return None,
            },
            _ => return None,
        };
        let dtype = match &one {
            One::Plain(tensor) => tensor.dtype(),
            One::Tracked(tensor) => tensor.primitive().dtype(),
        };
        (dtype == DType::F32).then_some(one)
    }

    fn plain(self) -> Option<FlexTensor> {
        if let One::Plain(tensor) = self { Some(tensor) } else { None }
    }

    fn tracked(self) -> FloatTensor<Autodiff<Flex>> {
        match self {
            One::Plain(tensor) => Autodiff::<Flex>::from_inner(tensor),
            One::Tracked(tensor) => tensor,
        }
    }
}

/// The integers of a tensor of `flex`, whether it is associated with autodiff or not.
pub(crate) fn integers(tensor: DispatchTensor) -> Option<Vec<usize>> {
    let DispatchTensorKind::Flex(BackendTensor::Int(tensor)) = tensor.kind else { return None };
    let tensor = tensor.to_contiguous();
    match tensor.dtype() {
        DType::I64 => Some(tensor.as_slice::<i64>()?.iter().map(|&i| i as usize).collect()),
        DType::I32 => Some(tensor.as_slice::<i32>()?.iter().map(|&i| i as usize).collect()),
        _ => None,
    }
}

#[derive(Debug)]
struct Step<F>(F);

impl<const N: usize, F: Fused<N>> Backward<Flex, N> for Step<F> {
    type State = F::State;

    fn backward(self, ops: Ops<F::State, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let output = grads.consume::<Flex>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = self.0.gradients(ops.state, output, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// Carries out an operation, as a step of the autodiff graph where an input is on it.
pub(crate) fn apply<F: Fused<N>, const N: usize, const D: usize>(
    operation: F,
    inputs: Inputs<N>,
) -> Tensor<D> {
    match inputs {
        Inputs::Plain(inputs) => Tensor::from_primitive::<Flex>(operation.forward(inputs, false).0),
        Inputs::Tracked(inputs) => {
            let nodes = inputs.each_ref().map(|input| input.node());
            let (output, state) = operation.forward(inputs.map(|input| input.into_primitive()), true);
            let step = Step(operation).prepare::<NoCheckpointing>(nodes).compute_bound().stateful();
            let output = match step {
                OpsKind::Tracked(step) => step.finish(state, output),
                OpsKind::UnTracked(step) => step.finish(output),
            };
            Tensor::from_primitive::<Autodiff<Flex>>(output)
        }
    }
}

/// A contiguous tensor of these numbers.
pub(crate) fn tensor(numbers: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(numbers), Layout::contiguous(shape.into()), DType::F32)
}

/// The numbers of a tensor that is contiguous.
pub(crate) fn numbers(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().unwrap_or_else(|| unreachable!("the caller made it contiguous"))
}

/// The sizes of a tensor.
pub(crate) fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    tensor.layout().shape().dims()
}
