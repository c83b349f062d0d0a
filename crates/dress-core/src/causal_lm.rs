//! What a decoder-only language model has to offer.

use crate::parameters::{NamedParameters, layer_of};
use crate::{
    CouplingMap, DistilledLoss, Error, Forward, Part, Selection, Site, StockTarget, TaughtLogits,
    distilled_loss_of_logits, loss_of_logits,
};
use burn::tensor::{Device, Int, Tensor};
use std::collections::BTreeMap;

/// A decoder-only language model that can be scored, regularized and sliced.
///
/// The forward pass comes in three parts, so that a caller can stream a model layer by layer;
/// [`CausalLm::forward`] puts them together. Widths follow from the parameters' shapes: after
/// slicing only [`CausalLm::resized`] has to be told.
pub trait CausalLm: NamedParameters + Sync {
    /// The name in `config.json`'s `architectures`, such as `LlamaForCausalLM`.
    fn architecture(&self) -> &str;

    /// How many layers the model has.
    fn num_layers(&self) -> usize;

    /// How many tokens the vocabulary has.
    fn vocab_size(&self) -> usize;

    /// How many positions the model was made for.
    fn max_positions(&self) -> usize;

    /// Every axis with the slots that have to be sliced together.
    fn coupling(&self) -> CouplingMap;

    /// The residual stream before the first layer.
    ///
    /// # Shapes
    /// - `tokens`: `[batch, seq]`; returns `[batch, seq, hidden_size]`
    fn embed(&self, tokens: Tensor<2, Int>, pass: &mut Forward<'_>) -> Tensor<3>;

    /// The residual stream after layer `index`. It passes the taps inside the layer; the stream
    /// itself is tapped by [`CausalLm::forward`].
    ///
    /// # Shapes
    /// - `hidden`: `[batch, seq, hidden_size]`, returned likewise
    fn layer(&self, index: usize, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3>;

    /// The logits of a residual stream.
    ///
    /// # Shapes
    /// - `hidden`: `[batch, seq, hidden_size]`; returns `[batch, seq, vocab_size]`
    fn head(&self, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3>;

    /// The model after its parameters were sliced by `selection`: configuration and whatever
    /// else does not follow from the parameters' shapes is brought up to date, the norms'
    /// epsilon by identity [E2] included.
    ///
    /// # Errors
    /// Where the family cannot be of that shape.
    ///
    /// [E2]: crate::identities#e2
    fn resized(self, selection: &Selection) -> Result<Self, Error>;

    /// By what slicing multiplies whole parameters, beside the gains of identity [E2]: for families whose
    /// epsilon is not in their configuration, so that the stream has to change instead, and for norms over
    /// something else that have the same epsilon.
    ///
    /// [E2]: crate::identities#e2
    fn slice_factors(&self, selection: &Selection) -> BTreeMap<String, f64> {
        let _ = selection;
        BTreeMap::new()
    }

    /// By what slicing multiplies the stream behind every layer: for families whose epsilon stays, so that
    /// the stream has to change instead.
    fn stream_factor(&self, selection: &Selection) -> f64 {
        let _ = selection;
        1.0
    }

    /// The model with a head of its own, where it was the embedding: what changes one may then leave the
    /// other as it was.
    #[must_use]
    fn untied(self) -> Self {
        self
    }

    /// The model with biases of zero on its projections, where its family's configuration can say that it has
    /// them and they are not there yet; the logits stay.
    #[must_use]
    fn biased(self) -> Self {
        self
    }

    /// Checks, before any work is done, that what `selection` would leave can be written as a
    /// checkpoint that `target` loads.
    ///
    /// # Errors
    /// [`Error::Shape`], with the nearest shapes that can.
    fn check_stock(&self, selection: &Selection, target: StockTarget) -> Result<(), Error> {
        let _ = (selection, target);
        Ok(())
    }

    /// The stream after the last layer, every [`Site`] passing the tap on the way.
    ///
    /// # Shapes
    /// - `tokens`: `[batch, seq]`; returns `[batch, seq, hidden_size]`
    fn hidden(&self, tokens: Tensor<2, Int>, pass: &mut Forward<'_>) -> Tensor<3> {
        let [_, seq] = tokens.dims();
        let mut hidden = self.embed_tapped(tokens, pass);
        for layer in 0..self.num_layers() {
            hidden = self.layer_tapped(layer, hidden, pass);
        }
        pass.advance(seq);
        hidden
    }

    /// [`CausalLm::embed`], the stream passing the tap at [`Site::Embedding`].
    ///
    /// # Shapes
    /// - `tokens`: `[batch, seq]`; returns `[batch, seq, hidden_size]`
    fn embed_tapped(&self, tokens: Tensor<2, Int>, pass: &mut Forward<'_>) -> Tensor<3> {
        let embedded = self.embed(tokens, pass);
        pass.pass(Site::Embedding, embedded)
    }

    /// [`CausalLm::layer`], the stream passing the tap at [`Site::Residual`].
    ///
    /// # Shapes
    /// - `hidden`: `[batch, seq, hidden_size]`, returned likewise
    fn layer_tapped(&self, layer: usize, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        let after = self.layer(layer, hidden.clone(), pass);
        pass.after_layer(layer, &hidden, &after);
        pass.pass(Site::Residual { layer }, after)
    }

    /// The logits of every position.
    ///
    /// # Shapes
    /// - `tokens`: `[batch, seq]`; returns `[batch, seq, vocab_size]`
    fn forward(&self, tokens: Tensor<2, Int>, pass: &mut Forward<'_>) -> Tensor<3> {
        let hidden = self.hidden(tokens, pass);
        self.head(hidden, pass)
    }

    /// The logits of the last position alone, which is all that generation needs.
    ///
    /// # Shapes
    /// - `tokens`: `[batch, seq]`; returns `[batch, 1, vocab_size]`
    fn forward_last(&self, tokens: Tensor<2, Int>, pass: &mut Forward<'_>) -> Tensor<3> {
        let hidden = self.hidden(tokens, pass);
        let seq = hidden.dims()[1];
        self.head(hidden.narrow(1, seq - 1, 1), pass)
    }

    /// Mean negative log-likelihood a token, in nats, of every token but the first of each row; the
    /// softmax is in f32.
    ///
    /// # Shapes
    /// - `tokens`: `[batch, seq]`; position `i` predicts `i + 1`, so `batch * (seq - 1)` targets count
    /// - returns `[1]`
    ///
    /// # Panics
    /// Where `seq < 2`: there is nothing to predict.
    fn next_token_loss(&self, tokens: Tensor<2, Int>, pass: &mut Forward<'_>) -> Tensor<1> {
        let hidden = self.hidden(tokens.clone(), pass);
        self.loss_of_hidden(hidden, tokens, pass)
    }

    /// [`CausalLm::next_token_loss`] of a stream that has been through the layers already.
    ///
    /// # Shapes
    /// - `hidden`: `[batch, seq, hidden_size]`, of `tokens`: `[batch, seq]`
    /// - returns `[1]`
    ///
    /// # Panics
    /// Where `seq < 2`: there is nothing to predict.
    fn loss_of_hidden(&self, hidden: Tensor<3>, tokens: Tensor<2, Int>, pass: &mut Forward<'_>) -> Tensor<1> {
        let seq = tokens.dims()[1];
        assert!(seq >= 2, "a sequence of {seq} tokens has nothing to predict");
        self.head_loss(hidden.narrow(1, 0, seq - 1), tokens.narrow(1, 1, seq - 1), pass)
    }

    /// Mean negative log-likelihood, in nats, of `targets` under the head's logits. A family whose head ends
    /// in one product can do it without ever having all logits.
    ///
    /// # Shapes
    /// - `hidden`: `[batch, seq, hidden_size]`, `targets`: `[batch, seq]`; returns `[1]`
    fn head_loss(&self, hidden: Tensor<3>, targets: Tensor<2, Int>, pass: &mut Forward<'_>) -> Tensor<1> {
        loss_of_logits(self.head(hidden, pass), targets)
    }

    /// [`CausalLm::head_loss`] beside what a teacher says of the same positions. A family whose head ends in
    /// one product can do it without ever having all logits of its own.
    ///
    /// # Shapes
    /// - `hidden`: `[batch, seq, hidden_size]`, `targets`: `[batch, seq]`
    fn distilled_head_loss(
        &self,
        hidden: Tensor<3>,
        targets: Tensor<2, Int>,
        taught: &TaughtLogits,
        pass: &mut Forward<'_>,
    ) -> DistilledLoss {
        distilled_loss_of_logits(self.head(hidden, pass), targets, taught)
    }

    /// Whether a part needs a parameter. By default a parameter whose path leads through layer `i` is that
    /// layer's, and both ends need all others.
    fn is_in_part(&self, parameter: &str, part: Part) -> bool {
        match layer_of(parameter) {
            Some(layer) => part == Part::Layer(layer),
            None => !matches!(part, Part::Layer(_)),
        }
    }

    /// Whether a text of `total` tokens cannot go on from a cache of its first `cached`, since all of its
    /// tokens are computed otherwise than those of a shorter text: for LongRoPE, whose frequencies are others
    /// beyond a length. The cache is then filled anew.
    fn outgrows_cache(&self, cached: usize, total: usize) -> bool {
        let _ = (cached, total);
        false
    }

    /// The device the parameters are on.
    fn device(&self) -> Device {
        self.devices().into_iter().next().unwrap_or_default()
    }
}
