//! `dress inspect`.

use super::axis_shapes::{AxisShape, width_with_heads, width_with_heads_text};
use crate::{Error, RunContext, Table, fingerprint, line_width, stored_bytes, wrapped};
use dress_core::{CausalLm, Fingerprint, parameters};
use dress_engines::{EngineFormat, LikeWeights, ModelShape, ServedReport};
use dress_models::checkpoint::read_config;
use dress_models::in_rope_parameters_alone;
use serde::Serialize;
use std::path::Path;

/// What is said below the table of axes.
const ABOUT_THE_AXES: &str = "There is one axis of `ffn` and of `heads` a layer; structures and parameters are those of one axis. \
                              A structure of `heads` is a key/value head with its query heads. An axis is exact where slicing \
                              what is at zero changes nothing. docs/reference/formats.md says which shapes stock software takes.";

/// The columns that what becomes of a model needs beside the names of the formats; where there are fewer, it
/// stands below them.
const ROOM: usize = 30;

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
    context.output.print(&inspection, || inspection.text(line_width()))
}

impl Inspection {
    /// What people see, in lines of `width` columns.
    fn text(&self, width: usize) -> String {
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
        let lines = |text: &str| wrapped(text, width).join("\n");
        let sentence: Vec<String> = self.sentence.split('\n').map(lines).collect();
        format!(
            "{}, {} parameters, {} layers, vocabulary of {}, {} positions\nfingerprint {}\n\n{table}\n{}{}{}",
            self.architecture,
            self.parameters,
            self.layers,
            self.vocab_size,
            self.max_positions,
            self.fingerprint,
            lines(ABOUT_THE_AXES),
            sentence.join("\n"),
            engines_text(&self.served, width)
        )
    }
}

/// A row a format: its name, its megabytes, and what becomes of the model, with the names of all matrices
/// that fall short, in lines of `width` columns.
fn engines_text(served: &[ServedReport], width: usize) -> String {
    engines_table(served, width, |report| {
        let list = |what: &str, weights: &[LikeWeights]| match weights {
            [] => String::new(),
            weights => {
                let texts: Vec<String> = whatever_the_row(weights).iter().map(like_text).collect();
                format!("; {what}: {}", texts.join(", "))
            }
        };
        let (unquantized, larger) =
            (list("unquantized", &report.unquantized), list("larger", &report.larger));
        format!("{}{unquantized}{larger}", report.verdict)
    })
}

/// As [`engines_text`], with a count for the matrices that fall short.
pub(super) fn engines_in_short(served: &[ServedReport], width: usize) -> String {
    engines_table(served, width, |report| {
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

/// What becomes of a model is broken between words, so that no column runs into another and nothing is cut.
fn engines_table(served: &[ServedReport], width: usize, becomes: impl Fn(&ServedReport) -> String) -> String {
    if served.is_empty() {
        return String::new();
    }
    let names: Vec<String> = served.iter().map(|report| report.by.to_string()).collect();
    let names_width = names.iter().map(String::len).max().unwrap_or(0).max("served by".len());
    let row = |name: &str, megabytes: &str| format!("{name:<names_width$}  {megabytes:>9}");
    let head = row("served by", "megabytes");
    let start = head.len() + 2;
    let is_beside = width >= start + ROOM;
    let indent = if is_beside { start } else { 4 };
    let line = |(name, report): (&String, &ServedReport)| {
        let megabytes = report.bytes.map_or("-".into(), |bytes| format!("{:.1}", bytes as f64 / 1e6));
        let said = wrapped(&becomes(report), width.saturating_sub(indent).max(ROOM / 2));
        let between = format!("\n{:indent$}", "");
        let first = if is_beside { "  " } else { &between };
        format!("{}{first}{}\n", row(name, &megabytes), said.join(&between))
    };
    let lines: String = names.iter().zip(served).map(line).collect();
    let between = if is_beside { "  " } else { "\n    " };
    format!("\n\n{head}{between}what becomes of it\n{}", lines.trim_end())
}

/// The matrices, those together that only their rows tell apart: where layers differ, each has its own.
fn whatever_the_row(weights: &[LikeWeights]) -> Vec<LikeWeights> {
    fn said(like: &LikeWeights) -> [&str; 3] {
        [&like.name, &like.wanted, &like.found]
    }
    let mut together: Vec<LikeWeights> = Vec::new();
    for like in weights {
        match together.iter_mut().find(|known| said(known) == said(like)) {
            Some(known) => known.matrices += like.matrices,
            None => together.push(like.clone()),
        }
    }
    together
}

fn like_text(LikeWeights { name, wanted, found, matrices, .. }: &LikeWeights) -> String {
    let becomes = if wanted == found { found.clone() } else { format!("{wanted} to {found}") };
    match matrices {
        1 => format!("{name} ({becomes})"),
        _ => format!("{matrices} {name} ({becomes})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::burn::tensor::Device;
    use dress_engines::EngineTable;
    use dress_models::AnyModel;

    /// What every format does with a model whose width is not its heads together, which many refuse at
    /// length.
    fn every_format() -> Vec<ServedReport> {
        let config = r#"{"model_type":"llama","vocab_size":64,"hidden_size":144,"intermediate_size":282,"num_hidden_layers":2,
            "num_attention_heads":6,"num_key_value_heads":2,"head_dim":32}"#;
        let model = AnyModel::from_config(config, Path::new("config.json"), &Device::flex()).unwrap();
        let shape = ModelShape::of(&model);
        EngineTable::built_in().all_formats().iter().map(|format| ServedReport::of(format, &shape)).collect()
    }

    #[test]
    fn lines_about_engines_fit_and_say_the_same_at_any_width() {
        let served = every_format();
        let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
        let wide = engines_text(&served, 10_000);
        assert_eq!(wide.trim().lines().count(), 1 + served.len());
        assert!(wide.lines().any(|line| line.chars().count() > 120), "there is something to wrap: {wide}");
        for width in [100, 80] {
            let text = engines_text(&served, width);
            assert_eq!(words(&text), words(&wide), "nothing is cut");
            let too_wide = |line: &&str| line.chars().count() > width && line.trim().contains(' ');
            assert_eq!(text.lines().find(too_wide), None, "at {width}");
        }
        let narrow = engines_text(&served, 50);
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 50 || !line.trim().contains(' ')),
            "{narrow}"
        );
        assert!(narrow.contains("\n    refused: "), "{narrow}");
    }

    #[test]
    fn matrices_of_layers_that_differ_are_named_once() {
        let like = |row, matrices, found: &str| LikeWeights {
            name: "model.layers.*.mlp.down_proj.weight".into(),
            row,
            wanted: "q8_0".into(),
            found: found.into(),
            matrices,
        };
        let weights = [like(426, 1, "f16"), like(430, 2, "f16"), like(440, 1, "f32"), like(450, 1, "f16")];
        let texts: Vec<String> = whatever_the_row(&weights).iter().map(like_text).collect();
        assert_eq!(
            texts,
            [
                "4 model.layers.*.mlp.down_proj.weight (q8_0 to f16)",
                "model.layers.*.mlp.down_proj.weight (q8_0 to f32)"
            ]
        );
    }
}
