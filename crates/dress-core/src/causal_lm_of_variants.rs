//! One model of several, whichever variant of an enum it is.

/// Implements [`CausalLm`](crate::CausalLm) and [`NamedParameters`](crate::parameters::NamedParameters) for
/// an enum whose variants each hold a model: every method is that of the model inside. Methods with a default
/// are no exception, so that what one model overrides is not lost.
///
/// # Examples
/// ```
/// # mod theirs {
/// #     use dress_core::burn::{module::Module, nn::Embedding, tensor::{Int, Tensor}};
/// #     use dress_core::parameters::{Layout, NamedParameters, ParameterPlace};
/// #     use dress_core::{CausalLm, CouplingMap, Error, Forward, Selection};
/// #     #[derive(Module, Debug)]
/// #     pub struct Small { pub embedding: Embedding }
/// #     impl NamedParameters for Small {
/// #         fn layout(&self, place: &ParameterPlace<'_>) -> Layout { Layout::of_burn(place) }
/// #     }
/// #     impl CausalLm for Small {
/// #         fn architecture(&self) -> &str { "Small" }
/// #         fn num_layers(&self) -> usize { 0 }
/// #         fn vocab_size(&self) -> usize { 3 }
/// #         fn max_positions(&self) -> usize { 8 }
/// #         fn coupling(&self) -> CouplingMap { CouplingMap::new() }
/// #         fn embed(&self, tokens: Tensor<2, Int>, _: &mut Forward<'_>) -> Tensor<3> { self.embedding.forward(tokens) }
/// #         fn layer(&self, _: usize, hidden: Tensor<3>, _: &mut Forward<'_>) -> Tensor<3> { hidden }
/// #         fn head(&self, hidden: Tensor<3>, _: &mut Forward<'_>) -> Tensor<3> { hidden }
/// #         fn resized(self, _: &Selection) -> Result<Self, Error> { Ok(self) }
/// #     }
/// # }
/// use dress_core::burn::{module::Module, nn::EmbeddingConfig, tensor::Device};
/// use dress_core::CausalLm;
/// use theirs::Small;
///
/// #[derive(Module, Debug)]
/// enum Either {
///     First(Small),
///     Second(Small),
/// }
/// dress_core::causal_lm_of_variants!(Either { First, Second });
///
/// let embedding = EmbeddingConfig::new(3, 4).init(&Device::flex());
/// assert_eq!(Either::Second(Small { embedding }).architecture(), "Small");
/// ```
#[macro_export]
macro_rules! causal_lm_of_variants {
    ($model:ident { $($variant:ident),+ $(,)? }) => {
        impl $crate::parameters::NamedParameters for $model {
            fn layout(&self, place: &$crate::parameters::ParameterPlace<'_>) -> $crate::parameters::Layout {
                match self { $($model::$variant(model) => model.layout(place)),+ }
            }
        }

        impl $crate::CausalLm for $model {
            fn architecture(&self) -> &str {
                match self { $($model::$variant(model) => model.architecture()),+ }
            }
            fn num_layers(&self) -> usize {
                match self { $($model::$variant(model) => model.num_layers()),+ }
            }
            fn vocab_size(&self) -> usize {
                match self { $($model::$variant(model) => model.vocab_size()),+ }
            }
            fn max_positions(&self) -> usize {
                match self { $($model::$variant(model) => model.max_positions()),+ }
            }
            fn coupling(&self) -> $crate::CouplingMap {
                match self { $($model::$variant(model) => model.coupling()),+ }
            }
            fn embed(
                &self,
                tokens: $crate::burn::tensor::Tensor<2, $crate::burn::tensor::Int>,
                pass: &mut $crate::Forward<'_>,
            ) -> $crate::burn::tensor::Tensor<3> {
                match self { $($model::$variant(model) => model.embed(tokens, pass)),+ }
            }
            fn layer(
                &self,
                index: usize,
                hidden: $crate::burn::tensor::Tensor<3>,
                pass: &mut $crate::Forward<'_>,
            ) -> $crate::burn::tensor::Tensor<3> {
                match self { $($model::$variant(model) => model.layer(index, hidden, pass)),+ }
            }
            fn head(
                &self,
                hidden: $crate::burn::tensor::Tensor<3>,
                pass: &mut $crate::Forward<'_>,
            ) -> $crate::burn::tensor::Tensor<3> {
                match self { $($model::$variant(model) => model.head(hidden, pass)),+ }
            }
            fn resized(self, selection: &$crate::Selection) -> ::core::result::Result<Self, $crate::Error> {
                match self { $($model::$variant(model) => model.resized(selection).map($model::$variant)),+ }
            }
            fn slice_factors(
                &self,
                selection: &$crate::Selection,
            ) -> ::std::collections::BTreeMap<::std::string::String, f64> {
                match self { $($model::$variant(model) => model.slice_factors(selection)),+ }
            }
            fn stream_factor(&self, selection: &$crate::Selection) -> f64 {
                match self { $($model::$variant(model) => model.stream_factor(selection)),+ }
            }
            fn untied(self) -> Self {
                match self { $($model::$variant(model) => $model::$variant(model.untied())),+ }
            }
            fn biased(self) -> Self {
                match self { $($model::$variant(model) => $model::$variant(model.biased())),+ }
            }
            fn check_stock(
                &self,
                selection: &$crate::Selection,
                target: $crate::StockTarget,
            ) -> ::core::result::Result<(), $crate::Error> {
                match self { $($model::$variant(model) => model.check_stock(selection, target)),+ }
            }
            fn hidden(
                &self,
                tokens: $crate::burn::tensor::Tensor<2, $crate::burn::tensor::Int>,
                pass: &mut $crate::Forward<'_>,
            ) -> $crate::burn::tensor::Tensor<3> {
                match self { $($model::$variant(model) => model.hidden(tokens, pass)),+ }
            }
            fn embed_tapped(
                &self,
                tokens: $crate::burn::tensor::Tensor<2, $crate::burn::tensor::Int>,
                pass: &mut $crate::Forward<'_>,
            ) -> $crate::burn::tensor::Tensor<3> {
                match self { $($model::$variant(model) => model.embed_tapped(tokens, pass)),+ }
            }
            fn layer_tapped(
                &self,
                layer: usize,
                hidden: $crate::burn::tensor::Tensor<3>,
                pass: &mut $crate::Forward<'_>,
            ) -> $crate::burn::tensor::Tensor<3> {
                match self { $($model::$variant(model) => model.layer_tapped(layer, hidden, pass)),+ }
            }
            fn forward(
                &self,
                tokens: $crate::burn::tensor::Tensor<2, $crate::burn::tensor::Int>,
                pass: &mut $crate::Forward<'_>,
            ) -> $crate::burn::tensor::Tensor<3> {
                match self { $($model::$variant(model) => $crate::CausalLm::forward(model, tokens, pass)),+ }
            }
            fn forward_last(
                &self,
                tokens: $crate::burn::tensor::Tensor<2, $crate::burn::tensor::Int>,
                pass: &mut $crate::Forward<'_>,
            ) -> $crate::burn::tensor::Tensor<3> {
                match self { $($model::$variant(model) => model.forward_last(tokens, pass)),+ }
            }
            fn next_token_loss(
                &self,
                tokens: $crate::burn::tensor::Tensor<2, $crate::burn::tensor::Int>,
                pass: &mut $crate::Forward<'_>,
            ) -> $crate::burn::tensor::Tensor<1> {
                match self { $($model::$variant(model) => model.next_token_loss(tokens, pass)),+ }
            }
            fn loss_of_hidden(
                &self,
                hidden: $crate::burn::tensor::Tensor<3>,
                tokens: $crate::burn::tensor::Tensor<2, $crate::burn::tensor::Int>,
                pass: &mut $crate::Forward<'_>,
            ) -> $crate::burn::tensor::Tensor<1> {
                match self { $($model::$variant(model) => model.loss_of_hidden(hidden, tokens, pass)),+ }
            }
            fn head_loss(
                &self,
                hidden: $crate::burn::tensor::Tensor<3>,
                targets: $crate::burn::tensor::Tensor<2, $crate::burn::tensor::Int>,
                pass: &mut $crate::Forward<'_>,
            ) -> $crate::burn::tensor::Tensor<1> {
                match self { $($model::$variant(model) => model.head_loss(hidden, targets, pass)),+ }
            }
            fn distilled_head_loss(
                &self,
                hidden: $crate::burn::tensor::Tensor<3>,
                targets: $crate::burn::tensor::Tensor<2, $crate::burn::tensor::Int>,
                taught: &$crate::TaughtLogits,
                pass: &mut $crate::Forward<'_>,
            ) -> $crate::DistilledLoss {
                match self {
                    $($model::$variant(model) => model.distilled_head_loss(hidden, targets, taught, pass)),+
                }
            }
            fn is_in_part(&self, parameter: &str, part: $crate::Part) -> bool {
                match self { $($model::$variant(model) => model.is_in_part(parameter, part)),+ }
            }
            fn outgrows_cache(&self, cached: usize, total: usize) -> bool {
                match self { $($model::$variant(model) => model.outgrows_cache(cached, total)),+ }
            }
            fn device(&self) -> $crate::burn::tensor::Device {
                match self { $($model::$variant(model) => $crate::CausalLm::device(model)),+ }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// The names of the methods between a line that starts with `start` and the end of what it opens.
    fn methods(source: &str, start: &str) -> BTreeSet<String> {
        let opened = source.lines().skip_while(|line| !line.trim_start().starts_with(start));
        let indent = opened.clone().next().map_or(0, |line| line.len() - line.trim_start().len());
        let end = format!("{}}}", " ".repeat(indent));
        let inside = opened.skip(1).take_while(|line| *line != end);
        let name = |line: &str| {
            let (name, _) = line.trim_start().strip_prefix("fn ")?.split_once(['(', '<'])?;
            Some(name.to_string())
        };
        inside.filter_map(name).collect()
    }

    #[test]
    fn every_method_of_the_traits_is_that_of_the_model_inside() {
        let here = include_str!("causal_lm_of_variants.rs");
        for (source, of_trait, of_enum) in [
            (include_str!("causal_lm.rs"), "pub trait CausalLm", "impl $crate::CausalLm for"),
            (
                include_str!("parameters/layout.rs"),
                "pub trait NamedParameters",
                "impl $crate::parameters::NamedParameters for",
            ),
        ] {
            let declared = methods(source, of_trait);
            assert!(!declared.is_empty(), "{of_trait}");
            assert_eq!(declared, methods(here, of_enum), "{of_trait}");
        }
    }
}
