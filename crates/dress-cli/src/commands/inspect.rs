//! `dress inspect`.

use crate::{Error, RunContext, Table, fingerprint, stored_bytes};
use dress_core::{AxisKind, CausalLm, Fingerprint, StockTarget, parameters};
use dress_engines::{EngineFormat, LikeWeights, ModelShape, ServedReport};
use dress_models::checkpoint::read_config;
use dress_models::in_rope_parameters_alone;
use serde::Serialize;
use std::collections::HashMap;
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
    /// What engines do with it, those that were named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    served: Vec<ServedReport>,
}

#[derive(Serialize)]
struct AxisShape {
    kind: AxisKind,
    axes: usize,
    /// Of the longest, where they differ.
    structures: usize,
    /// Of each, where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    structures_of_each: Option<Vec<usize>>,
    kept_multiple_of: usize,
    parameters_a_structure: u64,
}

/// Shows the shape of the checkpoint at `path`, and what engines do with it.
///
/// # Errors
/// Those of loading it.
pub(super) fn inspect(path: &Path, served_by: &[EngineFormat], context: &RunContext) -> Result<(), Error> {
    let model = context.load(path)?;
    let alone = in_rope_parameters_alone(&read_config(path)?.0);
    let shape = ModelShape::of(&model).stored_in(stored_bytes(path)?).with_rope_parameters_alone(alone);
    let inspection = Inspection {
        architecture: model.architecture().into(),
        fingerprint: fingerprint(path)?,
        parameters: parameters::count(&model),
        layers: model.num_layers(),
        vocab_size: model.vocab_size(),
        max_positions: model.max_positions(),
        axes: axes(&model)?,
        served: served_by.iter().map(|format| ServedReport::of(format, &shape)).collect(),
    };
    context.output.print(&inspection, || inspection.text())
}

fn axes<M: CausalLm>(model: &M) -> Result<Vec<AxisShape>, Error> {
    let map = model.coupling();
    let sizes: HashMap<String, Vec<usize>> =
        parameters::list(model).into_iter().map(|p| (p.name, p.shape)).collect();
    let mut shapes = Vec::new();
    for kind in map.kinds() {
        let axes = map.of_kind(kind)?;
        let lengths = axes.iter().map(|&axis| Ok(map.axis(axis)?.len)).collect::<Result<Vec<_>, Error>>()?;
        let structures = lengths.iter().copied().max().unwrap_or(0);
        let slots = map.axis(axes[0])?;
        let owned = |slot: &dress_core::Slot| {
            let shape = &sizes[&slot.parameter];
            (shape.iter().product::<usize>() / shape[slot.dim] * slot.block) as u64
        };
        let parameters_a_structure = match kind {
            AxisKind::Depth => largest_layer(&sizes),
            _ => slots.slots.iter().map(owned).sum(),
        };
        shapes.push(AxisShape {
            kind,
            axes: axes.len(),
            structures,
            structures_of_each: lengths.iter().any(|len| *len != structures).then_some(lengths),
            kept_multiple_of: slots.multiple_of.of(StockTarget::All),
            parameters_a_structure,
        });
    }
    Ok(shapes)
}

/// The parameters of the largest layer.
fn largest_layer(sizes: &HashMap<String, Vec<usize>>) -> u64 {
    let mut layers: HashMap<usize, u64> = HashMap::new();
    for (name, shape) in sizes {
        if let Some(layer) = parameters::layer_of(name) {
            *layers.entry(layer).or_default() += shape.iter().product::<usize>() as u64;
        }
    }
    layers.into_values().max().unwrap_or(0)
}

impl Inspection {
    fn text(&self) -> String {
        let mut table =
            Table::new(&["axis", "how many", "structures", "kept multiple of", "parameters each"]);
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
                axis.parameters_a_structure.to_string(),
            ]);
        }
        format!(
            "{}, {} parameters, {} layers, vocabulary of {}, {} positions\nfingerprint {}\n\n{table}\n\
             There is one axis of `ffn` and of `heads` a layer; structures and parameters are those of one axis.\n\
             A structure of `heads` is a key/value head with its query heads. docs/reference/formats.md says which shapes\n\
             stock software takes: OPT, GPT-NeoX, Phi, Qwen2, Granite and OLMo 2 lose residual and heads together.{}",
            self.architecture,
            self.parameters,
            self.layers,
            self.vocab_size,
            self.max_positions,
            self.fingerprint,
            engines_text(&self.served)
        )
    }
}

/// A line a format: its name, its megabytes, and what becomes of the model, with the names of all matrices that fall short.
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
