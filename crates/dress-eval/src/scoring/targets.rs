//! The log-likelihood of tokens at chosen positions.

use dress_core::burn::tensor::activation::log_softmax;
use dress_core::burn::tensor::{DType, Int, Tensor, TensorData};
use dress_core::{CausalLm, Forward, NoTap};
use dress_kernels::{TokenLikelihood, token_likelihoods};

/// Positions whose logits are in memory at the same time.
const CHUNK: usize = 256;

/// What the model says of `targets[i]` at the place `places[i]` of the stream, counted over rows and
/// positions. The head sees these places alone; the softmax is in f32.
///
/// # Shapes
/// - `hidden`: `[rows, seq, hidden_size]`
pub(crate) fn score_targets<M: CausalLm>(
    model: &M,
    hidden: Tensor<3>,
    places: &[usize],
    targets: &[u32],
) -> Vec<TokenLikelihood> {
    let [rows, seq, width] = hidden.dims();
    let (flat, device) = (hidden.reshape([rows * seq, width]), model.device());
    let ids = |numbers: Vec<i32>| {
        let len = numbers.len();
        Tensor::<1, Int>::from_data(TensorData::new(numbers, [len]), &device)
    };
    let mut scores = Vec::with_capacity(targets.len());
    for (places, targets) in places.chunks(CHUNK).zip(targets.chunks(CHUNK)) {
        let places = ids(places.iter().map(|&place| place as i32).collect());
        let targets = ids(targets.iter().map(|&target| target as i32).collect());
        let stream = flat.clone().select(0, places).unsqueeze::<3>();
        let logits = model.head(stream, &mut Forward::new(&mut NoTap)).cast(DType::F32).squeeze_dim::<2>(0);
        let fused = token_likelihoods(&logits, &targets);
        scores.extend(fused.unwrap_or_else(|| by_operations(logits, targets)));
    }
    scores
}

/// The same where the fused pass does not apply.
fn by_operations(logits: Tensor<2>, targets: Tensor<1, Int>) -> Vec<TokenLikelihood> {
    let targets = targets.unsqueeze_dim::<2>(1);
    let likeliest = logits.clone().argmax(1).equal(targets.clone()).into_data();
    let log_likelihoods = log_softmax(logits, 1).gather(1, targets).into_data();
    let pairs = log_likelihoods.iter::<f64>().zip(likeliest.iter::<bool>());
    pairs.map(|(log_likelihood, is_likeliest)| TokenLikelihood { log_likelihood, is_likeliest }).collect()
}
