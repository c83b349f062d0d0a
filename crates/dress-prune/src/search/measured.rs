//! Shapes compared with the whole model on text that was held back from them.

use dress_core::burn::tensor::activation::log_softmax;
use dress_core::burn::tensor::{DType, Int, Tensor};
use dress_core::{Calibration, CausalLm, Forward, NoTap};

/// Logits that are in memory at once.
const LOGITS: usize = 1 << 24;

/// For how many positions all logits are in memory at once.
pub(super) fn positions_at_once(vocab_size: usize) -> usize {
    (LOGITS / vocab_size).max(1)
}

/// Blocks held back, and what the whole model makes of them.
pub(super) struct HeldBack<'a, M> {
    model: &'a M,
    blocks: Vec<Block>,
}

struct Block {
    tokens: Tensor<2, Int>,
    /// The whole model's stream behind its last layer.
    stream: Tensor<3>,
}

impl Block {
    /// The loss of a model whose stream behind the last layer is `stream`, in nats a token.
    fn loss<M: CausalLm>(&self, model: &M, stream: &Tensor<3>) -> f64 {
        let mut tap = NoTap;
        let loss = model.loss_of_hidden(stream.clone(), self.tokens.clone(), &mut Forward::new(&mut tap));
        f64::from(loss.into_scalar::<f32>())
    }
}

impl<'a, M: CausalLm> HeldBack<'a, M> {
    pub fn new(model: &'a M, blocks: &[Vec<u32>]) -> Self {
        let of = |block: &Vec<u32>| {
            let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
            let stream = model.hidden(tokens.clone(), &mut Forward::new(&mut NoTap));
            Block { tokens, stream }
        };
        Self { model, blocks: blocks.iter().map(of).collect() }
    }

    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The whole model's loss, in nats a token.
    pub fn dense_loss(&self) -> f64 {
        mean(self.blocks.iter().map(|block| block.loss(self.model, &block.stream)))
    }

    /// Another model's loss, and how far its next-token distributions are from the whole model's, in nats a
    /// token.
    pub fn measure(&self, other: &M) -> (f64, f64) {
        let measured = self.blocks.iter().map(|block| {
            let stream = other.hidden(block.tokens.clone(), &mut Forward::new(&mut NoTap));
            (block.loss(other, &stream), self.divergence(block, other, &stream))
        });
        let (losses, divergences): (Vec<f64>, Vec<f64>) = measured.unzip();
        (mean(losses.into_iter()), mean(divergences.into_iter()))
    }

    /// `KL(whole || other)`, some rows at a time: all logits of a long block do not fit.
    fn divergence(&self, block: &Block, other: &M, stream: &Tensor<3>) -> f64 {
        let seq = block.tokens.dims()[1];
        let rows = positions_at_once(self.model.vocab_size());
        let mut sum = 0.0;
        for start in (0..seq).step_by(rows) {
            let some = |stream: &Tensor<3>| stream.clone().narrow(1, start, rows.min(seq - start));
            let said = |model: &M, stream: &Tensor<3>| {
                let logits = model.head(some(stream), &mut Forward::new(&mut NoTap));
                log_softmax(logits.cast(DType::F32), 2)
            };
            let (whole, other) = (said(self.model, &block.stream), said(other, stream));
            sum += f64::from((whole.clone().exp() * (whole - other)).sum().into_scalar::<f32>());
        }
        sum / seq as f64
    }
}

fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = numbers.len() as f64;
    numbers.sum::<f64>() / count
}
