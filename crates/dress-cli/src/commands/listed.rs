//! Options whose values clap lists.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use dress_core::{AxisKind, Basis, Divergence, Draw, StockTarget};
use dress_data::{Bos, Protocol};
use dress_importance::{Aggregate, Criterion, Taylor};
use dress_models::FloatType;
use dress_prune::{Compensation, LocalInputs, Preset};
use dress_regularize::{GateNorms, PenaltyKind};
use dress_train::{Decay, GradientCheckpointing, OptimizerConfig, Precision};
use std::error::Error;
use std::str::FromStr;

/// A parser of a type that is read from one of `names`: what help and completions list, and what a wrong
/// value is answered with.
pub(super) fn listed<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// The same, where help says of each value what it means.
pub(super) fn explained<T>(
    names: impl IntoIterator<Item = &'static str>,
    meaning: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    let value = |name: &'static str| with_meaning(PossibleValue::new(name), meaning);
    PossibleValuesParser::new(names.into_iter().map(value)).try_map(|name| name.parse::<T>())
}

/// A value with what it means in its help.
fn with_meaning<T: FromStr>(value: PossibleValue, meaning: fn(T) -> &'static str) -> PossibleValue {
    match value.get_name().parse::<T>() {
        Ok(meant) => value.help(meaning(meant)),
        Err(_) => value,
    }
}

/// A parser of a criterion.
pub(super) fn criterion() -> impl TypedValueParser<Value = Criterion> {
    explained(Criterion::all().map(Criterion::name), |criterion: Criterion| match criterion {
        Criterion::MagnitudeL1 => "the sum of its absolute weights",
        Criterion::MagnitudeL2 => "the L2 norm of its weights",
        Criterion::ActivationNorm => "the norm of its activations",
        Criterion::Wanda => "the absolute weights that read it, times the norm of its activations",
        Criterion::FlapIfv => "the variance of its activations",
        Criterion::FlapWifv => "that variance times the squares of the weights that read it",
        Criterion::FlapWifn => "the mean absolute weight that reads it, times the norm of its activations",
        Criterion::Flap => "flap-wifv in one unit, so that layers and axes compare (FLAP)",
        Criterion::Minitron => "the mean size of its activations in a block, as a norm over blocks",
        Criterion::Taylor(form) => taylor(form),
        Criterion::Fisher => "the square of its weights times their gradients, as a mean over blocks",
        Criterion::BlockInfluence => "of a layer, how much it turns the residual stream (ShortGPT)",
        Criterion::Sleb => "of a layer, how late a search for the least loss removes it (SLEB)",
        Criterion::Random => "drawn, to hold the others against",
    })
}

fn taylor(form: Taylor) -> &'static str {
    match (form.vector, form.aggregate) {
        (false, Aggregate::Sum) => "its weights times their gradients, absolute and summed (LLM-Pruner)",
        (false, Aggregate::Max) => "as taylor, the greatest over the parameters that have it",
        (false, Aggregate::Prod) => "as taylor, the product over the parameters that have it",
        (false, Aggregate::Last) => "as taylor, of the parameters alone that read it",
        (true, Aggregate::Sum) => "as taylor, summed along a row or column before the absolute value",
        (true, Aggregate::Max) => "both of taylor-vector and taylor-max",
        (true, Aggregate::Prod) => "both of taylor-vector and taylor-prod",
        (true, Aggregate::Last) => "both of taylor-vector and taylor-last",
    }
}

/// A parser of a published method.
pub(super) fn preset() -> impl TypedValueParser<Value = Preset> {
    explained(Preset::all().map(Preset::name), |preset: Preset| match preset {
        Preset::Magnitude => "neurons and heads of the least weights",
        Preset::WandaSp => "neurons and heads by Wanda's score",
        Preset::Flap => "neurons and heads by how their activations vary, with biases for what goes",
        Preset::LlmPruner => "neurons and heads by weights times gradients, the first and last layers spared",
        Preset::SlicegptGlobal => "the width in principal components, with one rotation for all layers",
        Preset::Sleb => "layers, each time the one that the loss misses least",
        Preset::Shortgpt => "the layers that turn the residual stream least",
        Preset::Minitron => "channels, neurons and heads by the size of their activations",
        Preset::Dress => "what --dress-axis says, regularized to zero before it is sliced",
    })
}

/// A parser of the coordinates of the residual stream.
pub(super) fn basis() -> impl TypedValueParser<Value = Basis> {
    explained(Basis::NAMES, |basis: Basis| match basis {
        Basis::Identity => "the checkpoint's own",
        Basis::Pca => "principal components; a tied head gets weights of its own",
        Basis::PcaTied => "principal components that leave a tied head tied and move the logits a little",
    })
}

/// A parser of what makes up for what goes.
pub(super) fn compensation() -> impl TypedValueParser<Value = Compensation> {
    explained(Compensation::NAMES, |compensation: Compensation| match compensation {
        Compensation::None => "not at all",
        Compensation::Bias => "their biases take over the mean of what goes",
        Compensation::Ridge => "they are refitted to the calibration blocks, in closed form",
    })
}

/// A parser of a penalty.
pub(super) fn penalty() -> impl TypedValueParser<Value = PenaltyKind> {
    explained(PenaltyKind::NAMES, |penalty: PenaltyKind| match penalty {
        PenaltyKind::L1 => "the sum of absolute weights",
        PenaltyKind::L2 => "the sum of squared weights",
        PenaltyKind::Group => "the sum of the structures' norms, so that each goes to zero as a whole",
    })
}

/// A parser of how calibration blocks are drawn.
pub(super) fn draw() -> impl TypedValueParser<Value = Draw> {
    explained(Draw::NAMES, |draw: Draw| match draw {
        Draw::Rows => "from rows drawn at random on, empty rows dropped",
        Draw::Blocks => "pieces of the text as it stands that do not overlap",
    })
}

/// A parser of how the learning rate falls.
pub(super) fn decay() -> impl TypedValueParser<Value = Decay> {
    explained(Decay::NAMES, |decay: Decay| match decay {
        Decay::Constant => "not at all",
        Decay::Linear => "in a straight line",
        Decay::Cosine => "as half a cosine",
        Decay::Geometric => "by the same factor every step",
    })
}

/// A parser of what takes the steps.
pub(super) fn optimizer() -> impl TypedValueParser<Value = OptimizerConfig> {
    explained(OptimizerConfig::NAMES, |optimizer: OptimizerConfig| match optimizer {
        OptimizerConfig::AdamW(_) => "two numbers of state a weight",
        OptimizerConfig::Adafactor { .. } => "state for rows and columns alone, for large models",
        OptimizerConfig::Sgd { .. } => "the gradients themselves",
        OptimizerConfig::Muon { .. } => "matrices inside the layers by Muon, and the rest by adamw",
    })
}

/// A parser of what is done about steps too small for the weights' type.
pub(super) fn precision() -> impl TypedValueParser<Value = Precision> {
    explained(Precision::NAMES, |precision: Precision| match precision {
        Precision::AsIs => "rounded to the nearest number",
        Precision::MasterWeights => "taken by weights in f32 beside the model's",
        Precision::StochasticRounding => "rounded up or down at random, right on average",
    })
}

/// A parser of how papers prepare a corpus.
pub(super) fn protocol() -> impl TypedValueParser<Value = Protocol> {
    explained(Protocol::NAMES, |protocol: Protocol| match protocol {
        Protocol::Wikitext2 => "WikiText-2's raw test split, rows joined by empty lines",
        Protocol::Ptb => "Penn Treebank's test split, sentences joined by spaces",
        Protocol::C4 => "C4's validation split, 256 blocks of its first 1,100 texts",
    })
}

/// A parser of what the gate does to the norms' statistics.
pub(super) fn gate_norms() -> impl TypedValueParser<Value = GateNorms> {
    explained(GateNorms::NAMES, |norms: GateNorms| match norms {
        GateNorms::Fixed => "over all channels",
        GateNorms::Count => "over kept + g^2 removed channels",
    })
}

/// A parser of what a layer reads that is regularized alone.
pub(super) fn local_inputs() -> impl TypedValueParser<Value = LocalInputs> {
    explained(LocalInputs::NAMES, |inputs: LocalInputs| match inputs {
        LocalInputs::Dense => "the dense model's stream",
        LocalInputs::Pruned => "that of the layers before it as they have become",
    })
}

/// A parser of the direction in which distributions are compared.
pub(super) fn divergence() -> impl TypedValueParser<Value = Divergence> {
    explained(Divergence::NAMES, |divergence: Divergence| match divergence {
        Divergence::Forward => "the model has to expect what the dense one does",
        Divergence::Reverse => "it must not expect what the dense one does not",
    })
}

/// A parser of where the token stands that begins a text.
pub(super) fn bos() -> impl TypedValueParser<Value = Bos> {
    explained(Bos::NAMES, |bos: Bos| match bos {
        Bos::Tokenizer => "where the tokenizer puts it itself",
        Bos::Each => "before every block",
        Bos::None => "nowhere",
    })
}

/// A parser of a kind of axis, which the names of other software mean too.
pub(super) fn axis_kind() -> impl TypedValueParser<Value = AxisKind> {
    let value = |name: &'static str| {
        let others = AxisKind::ALIASES.into_iter().filter(move |(_, known)| *known == name);
        let value = PossibleValue::new(name).aliases(others.map(|(other, _)| other));
        with_meaning(value, |kind: AxisKind| match kind {
            AxisKind::Residual => "channels of the residual stream, the model's width",
            AxisKind::Ffn => "neurons of the feed-forward networks",
            AxisKind::Heads => "key-value heads with their query heads",
            AxisKind::Depth => "whole layers",
        })
    };
    PossibleValuesParser::new(AxisKind::NAMES.map(value)).try_map(|name| name.parse::<AxisKind>())
}

/// A parser of a target; `any` is what `all` was called.
pub(super) fn stock_target() -> impl TypedValueParser<Value = StockTarget> {
    let value = |name| {
        let value = PossibleValue::new(name).aliases(if name == "all" { vec!["any"] } else { vec![] });
        with_meaning(value, |target: StockTarget| match target {
            StockTarget::All => "transformers, vLLM and llama.cpp",
            StockTarget::Transformers => "transformers alone",
            StockTarget::Dress => "these crates alone, which take any shape",
        })
    };
    PossibleValuesParser::new(StockTarget::NAMES.map(value)).try_map(|name| name.parse::<StockTarget>())
}

/// A parser of what a backward pass computes again; `blocks` is what `layers` was called.
pub(super) fn gradient_checkpointing() -> impl TypedValueParser<Value = GradientCheckpointing> {
    let value = |name| {
        let value = PossibleValue::new(name).aliases(if name == "layers" { vec!["blocks"] } else { vec![] });
        with_meaning(value, |what: GradientCheckpointing| match what {
            GradientCheckpointing::None => "nothing",
            GradientCheckpointing::Operations => "cheap operations",
            GradientCheckpointing::Layers => "all of one layer at a time",
        })
    };
    PossibleValuesParser::new(GradientCheckpointing::NAMES.map(value))
        .try_map(|name| name.parse::<GradientCheckpointing>())
}

/// A parser of a type of weights, which PyTorch's names mean too.
pub(super) fn float_type() -> impl TypedValueParser<Value = FloatType> {
    let others = ["float32", "float16", "bfloat16"];
    let names = FloatType::NAMES.into_iter().zip(others);
    PossibleValuesParser::new(names.map(|(name, other)| PossibleValue::new(name).alias(other)))
        .try_map(|name| name.parse::<FloatType>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_models::gguf::GgufType;
    use std::fmt::{Debug, Display};

    fn read_back<T: FromStr<Err: Debug> + Display>(names: impl IntoIterator<Item = &'static str>) {
        for name in names {
            assert_eq!(name.parse::<T>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn every_name_that_is_listed_reads_back() {
        read_back::<AxisKind>(AxisKind::NAMES);
        read_back::<Basis>(Basis::NAMES);
        read_back::<Divergence>(Divergence::NAMES);
        read_back::<Draw>(Draw::NAMES);
        read_back::<StockTarget>(StockTarget::NAMES);
        read_back::<Bos>(Bos::NAMES);
        read_back::<Protocol>(Protocol::NAMES);
        read_back::<FloatType>(FloatType::NAMES);
        read_back::<GgufType>(GgufType::NAMES);
        read_back::<Compensation>(Compensation::NAMES);
        read_back::<LocalInputs>(LocalInputs::NAMES);
        read_back::<GateNorms>(GateNorms::NAMES);
        read_back::<PenaltyKind>(PenaltyKind::NAMES);
        read_back::<Decay>(Decay::NAMES);
        read_back::<GradientCheckpointing>(GradientCheckpointing::NAMES);
        read_back::<OptimizerConfig>(OptimizerConfig::NAMES);
        read_back::<Precision>(Precision::NAMES);
    }
}
