//! Which shapes stock software accepts.

use super::{LayerNormConfig, LayerNormFamily};
use crate::shape::check_width_is_heads;
use dress_core::StockTarget;

impl<F: LayerNormFamily> LayerNormConfig<F> {
    /// Checks that `target` accepts this shape: where `transformers` honours a `head_dim`, vLLM and llama.cpp
    /// divide the width by the heads all the same.
    ///
    /// # Errors
    /// [`dress_core::Error::Shape`] with the nearest shapes that fit.
    pub fn check_stock(&self, target: StockTarget) -> Result<(), dress_core::Error> {
        let shape = [self.hidden_size, self.num_attention_heads, self.head_dim];
        self.widths.check_stock(F::ARCHITECTURE, target)?;
        let who = match (F::HEAD_DIM_IN_TRANSFORMERS, target) {
            (true, StockTarget::Transformers) => return Ok(()),
            (true, _) => "software other than transformers (`stock = transformers` accepts this shape)",
            (false, _) => F::NAME,
        };
        check_width_is_heads(F::ARCHITECTURE, target, shape, who)
    }
}
