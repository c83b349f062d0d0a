//! `dress inspect`.

use super::axis_shapes::{AxisShape, width_with_heads, width_with_heads_text};
use crate::{Error, RunContext, Table, fingerprint, stored_bytes};
use dress_core::{CausalLm, Fingerprint, parameters};
use dress_engines::{EngineFormat, LikeWeights, ModelShape, ServedReport};
use dress_models::checkpoint::read_config;
use dress_models::in_rope_parameters_alone;
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Inspection {
    architecture: String,
    fingerprint: Fingerprint,
    parameters: u64,
    layers: usize,
    vocab_size: usize,
    max_positions: usize,
    axes: Vec<AxisShape>,
    /// The targets for which the width cannot go without the heads.
    width_with_heads: Vec<String>,
    #[serde(skip)]
    sentence: &'static str,
    /// What engines do with it, those that were named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    served: Vec<ServedReport>,
}

/// Shows the shape of the checkpoint at `path`, and what engines do with it.
///
/// # Errors
/// Those of loading it.
pub(super) fn inspect(path: &Path, served_by: &[EngineFormat], context: &RunContext) -> Result<(), Error> {
    let model = context.load(path)?;
    let alone = in_rope_parameters_alone(&read_config(path)?.0);
    let shape = ModelShape::of(&model).stored_in(stored_bytes(path)?).with_rope_parameters_alone(alone);
    let together = width_with_heads(&model)?;
    let inspection = Inspection {
        architecture: model.architecture().into(),
        fingerprint: fingerprint(path)?,
        parameters: parameters::count(&model),
        layers: model.num_layers(),
        vocab_size: model.vocab_size(),
        max_positions: model.max_positions(),
        axes: AxisShape::all(&model)?,
        width_with_heads: together.iter().map(ToString::to_string).collect(),
        sentence: width_with_heads_text(&together),
        served: served_by.iter().map(|format| ServedReport::of(format, &shape)).collect(),
    };
    context.output.print(&inspection, || inspection.text())
}

impl Inspection {
    fn text(&self) -> String {
        let mut table = Table::new(&[
            "axis",
            "how many",
            "structures",
            "kept multiple of",
            "in transformers",
            "parameters each",
            "exact",
        ]);
        for axis in &self.axes {
            let least = axis.structures_of_each.iter().flatten().min();
            let structures = match least {
                Some(least) => format!("{least} to {}", axis.structures),
                None => axis.structures.to_string(),
            };
            table.row(&[
                axis.kind.to_string(),
                axis.axes.to_string(),
                structures,
                axis.kept_multiple_of.to_string(),
                axis.kept_multiple_of_in_transformers.to_string(),
                axis.parameters_a_structure.to_string(),
                if axis.exact { "yes" } else { "no" }.into(),
            ]);
        }
        format!(
            "{}, {} parameters, {} layers, vocabulary of {}, {} positions\nfingerprint {}\n\n{table}\n\
             There is one axis of `ffn` and of `heads` a layer; structures and parameters are those of one axis.\n\
             A structure of `heads` is a key/value head with its query heads. An axis is exact where slicing what is at\n\
             zero changes nothing. docs/reference/formats.md says which shapes stock software takes.{}{}",
            self.architecture,
            self.parameters,
            self.layers,
            self.vocab_size,
            self.max_positions,
            self.fingerprint,
            self.sentence,
            engines_text(&self.served)
        )
    }
}

/// A line a format: its name, its megabytes, and what becomes of the model, with the names of all matrices
/// that fall short.
fn engines_text(served: &[ServedReport]) -> String {
    engines_table(served, |report| {
        let list = |what: &str, weights: &[LikeWeights]| match weights {
            [] => String::new(),
            weights => format!("; {what}: {}", weights.iter().map(like_text).collect::<Vec<_>>().join(", ")),
        };
        let (unquantized, larger) =
            (list("unquantized", &report.unquantized), list("larger", &report.larger));
        format!("{}{unquantized}{larger}", report.verdict)
    })
}

/// As [`engines_text`], with a count for the matrices that fall short.
pub(super) fn engines_in_short(served: &[ServedReport]) -> String {
    engines_table(served, |report| {
        let count = |what: &str, weights: &[LikeWeights]| {
            let matrices: usize = weights.iter().map(|like| like.matrices).sum();
            match matrices {
                0 => String::new(),
                1 => format!("; 1 matrix {what}"),
                _ => format!("; {matrices} matrices {what}"),
            }
        };
        let (unquantized, larger) =
            (count("unquantized", &report.unquantized), count("larger", &report.larger));
        format!("{}{unquantized}{larger}", report.verdict)
    })
}

fn engines_table(served: &[ServedReport], becomes: impl Fn(&ServedReport) -> String) -> String {
    if served.is_empty() {
        return String::new();
    }
    let names: Vec<String> = served.iter().map(|report| report.by.to_string()).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0).max("served by".len());
    let line = |(name, report): (&String, &ServedReport)| {
        let megabytes = report.bytes.map_or("-".into(), |bytes| format!("{:.1}", bytes as f64 / 1e6));
        format!("{name:<width$}  {megabytes:>9}  {}\n", becomes(report))
    };
    let lines: String = names.iter().zip(served).map(line).collect();
    format!("\n\n{:<width$}  {:>9}  what becomes of it\n{}", "served by", "megabytes", lines.trim_end())
}

fn like_text(LikeWeights { name, wanted, found, matrices, .. }: &LikeWeights) -> String {
    let becomes = if wanted == found { found.clone() } else { format!("{wanted} to {found}") };
    match matrices {
        1 => format!("{name} ({becomes})"),
        _ => format!("{matrices} {name} ({becomes})"),
    }
}
