//! Options whose values clap lists.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use dress_core::{AxisKind, Divergence, StockTarget};
use dress_data::Bos;
use dress_models::FloatType;
use dress_prune::LocalInputs;
use dress_regularize::GateNorms;
use dress_train::GradientCheckpointing;
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
    let value = |name: &'static str| {
        let value = PossibleValue::new(name);
        name.parse::<T>().map_or(value.clone(), |meant| value.help(meaning(meant)))
    };
    PossibleValuesParser::new(names.into_iter().map(value)).try_map(|name| name.parse::<T>())
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
        PossibleValue::new(name).aliases(others.map(|(other, _)| other))
    };
    PossibleValuesParser::new(AxisKind::NAMES.map(value)).try_map(|name| name.parse::<AxisKind>())
}

/// A parser of a target; `any` is what `all` was called.
pub(super) fn stock_target() -> impl TypedValueParser<Value = StockTarget> {
    let value = |name| PossibleValue::new(name).aliases(if name == "all" { vec!["any"] } else { vec![] });
    PossibleValuesParser::new(StockTarget::NAMES.map(value)).try_map(|name| name.parse::<StockTarget>())
}

/// A parser of what a backward pass computes again; `blocks` is what `layers` was called.
pub(super) fn gradient_checkpointing() -> impl TypedValueParser<Value = GradientCheckpointing> {
    let value =
        |name| PossibleValue::new(name).aliases(if name == "layers" { vec!["blocks"] } else { vec![] });
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
    use dress_core::{Basis, Draw};
    use dress_data::Protocol;
    use dress_models::gguf::GgufType;
    use dress_prune::Compensation;
    use dress_regularize::PenaltyKind;
    use dress_train::{Decay, OptimizerConfig, Precision};
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
