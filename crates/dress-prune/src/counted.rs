//! The model whose parameters are counted.

use crate::Compensation;
use dress_core::{Basis, CausalLm};

/// `model` with the parameters that its result will have beside those that go: a head of its own where the
/// basis takes the embedding away from it, and biases where they take over what goes. Budgets are of this
/// model.
pub(crate) fn counted<M: CausalLm>(model: M, basis: Basis, compensation: Compensation) -> M {
    let model = match basis {
        Basis::Pca => model.untied(),
        Basis::PcaTied | Basis::Identity => model,
    };
    match compensation {
        Compensation::Bias => model.biased(),
        Compensation::None | Compensation::Ridge => model,
    }
}
