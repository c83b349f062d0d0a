//! What a selection takes, as a table.

use crate::{Error, Table};
use dress_core::{Axis, AxisKind, CausalLm, KeptOfKind, Selection, as_ranges, least_to_most, parameters};
use dress_eval::report::grouped;
use dress_prune::parameters_left;
use std::fmt;

/// What a selection takes from each kind of axis, and what is left of the parameters.
pub(super) struct SelectionTable {
    rows: Vec<Row>,
    /// Before and after.
    pub parameters: [u64; 2],
}

/// What is taken from the axes of one kind.
struct Row {
    kept: KeptOfKind,
    /// The layers whose axes lose something; none where the axis is of no layer.
    layers: Vec<usize>,
    /// Parameters that go with them alone.
    parameters: u64,
}

impl SelectionTable {
    /// What `selection` takes from `model`, which need not have its weights.
    ///
    /// # Errors
    /// Those of [`parameters_left`].
    pub fn of<M: CausalLm>(model: &M, selection: &Selection) -> Result<Self, Error> {
        let before = parameters::count(model);
        let kinds = KeptOfKind::of(selection, &model.coupling());
        let row = |kept| Row::of(model, selection, kept, before);
        let rows = kinds.into_iter().map(row).collect::<Result<_, Error>>()?;
        let after = parameters_left(model, selection)?;
        Ok(Self { rows, parameters: [before, after] })
    }
}

impl Row {
    fn of<M: CausalLm>(model: &M, all: &Selection, kept: KeptOfKind, before: u64) -> Result<Self, Error> {
        let kind = kept.kind;
        let of_kind = || all.iter().filter(move |(axis, _)| axis.kind() == kind);
        let alone =
            of_kind().fold(Selection::new(), |alone, (axis, chosen)| alone.with(axis, chosen.clone()));
        let left = parameters_left(model, &alone)?;
        Ok(Self {
            layers: match kind {
                AxisKind::Depth => all.removed_layers().to_vec(),
                _ => of_kind().filter_map(|(axis, _): (Axis, _)| axis.layer()).collect(),
            },
            parameters: before - left,
            kept,
        })
    }
}

impl fmt::Display for SelectionTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] = self.parameters;
        let percent = |part: u64| format!("{:.1}%", 100.0 * part as f64 / before.max(1) as f64);
        let mut table =
            Table::new(&["axis", "of layers", "structures", "stay", "parameters that go", "share"]);
        for row in &self.rows {
            let layers = row.layers.iter().copied();
            let layers = if row.layers.is_empty() { "all".into() } else { as_ranges(layers, ", ") };
            table.row(&[
                row.kept.kind.to_string(),
                layers,
                least_to_most(row.kept.lengths.map(|len| len.to_string())),
                stay(&row.kept),
                grouped(row.parameters),
                percent(row.parameters),
            ]);
        }
        // What several kinds share goes once.
        let gone = [grouped(before - after), percent(before - after)];
        let [count, share] = gone;
        table.row(&["together".into(), String::new(), String::new(), String::new(), count, share]);
        writeln!(f, "{table}")?;
        writeln!(f, "{} of {} parameters stay ({})", grouped(after), grouped(before), percent(after))
    }
}

/// What stays of an axis that loses some, with its share where all axes of the kind are of one length.
fn stay(kept: &KeptOfKind) -> String {
    let counts = least_to_most(kept.reduced.map(|count| count.to_string()));
    let [len, most] = kept.lengths;
    let share = |count: usize| format!("{:.1}%", 100.0 * count as f64 / len as f64);
    if len == most { format!("{counts} ({})", least_to_most(kept.reduced.map(share))) } else { counts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::AxisSelection;
    use dress_models::AnyModel;
    use dress_study::ComputeSettings;

    #[test]
    fn every_kind_says_its_layers_its_sizes_and_its_parameters() {
        let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,
            "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2}"#;
        let device = ComputeSettings::default().device;
        let model = AnyModel::from_config(config, "config.json".as_ref(), &device).unwrap();
        let lost = |gone: usize| AxisSelection::new(24, (0..gone).collect()).unwrap();
        let selection = Selection::new()
            .with(Axis::Ffn { layer: 0 }, lost(6))
            .with(Axis::Ffn { layer: 2 }, lost(12))
            .with(Axis::Residual, AxisSelection::new(16, (0..4).collect()).unwrap());
        let found = SelectionTable::of(&model, &selection).unwrap();
        let text = found.to_string();
        let line = |kind: &str| text.lines().find(|line| line.starts_with(kind)).unwrap().to_string();
        assert!(line("ffn").contains("0, 2") && line("ffn").contains("12 to 18 (50.0% to 75.0%)"), "{text}");
        let ffn = &found.rows.iter().find(|row| row.kept.kind == AxisKind::Ffn).unwrap().kept;
        assert_eq!((ffn.range, ffn.before, ffn.after), ([12, 24], 72, 54), "the layer between stays whole");
        assert!(line("ffn").contains(&grouped(18 * 3 * 16)), "{text}");
        assert!(line("residual").contains("all") && line("residual").contains("12 (75.0%)"), "{text}");
        let gone = found.parameters[0] - found.parameters[1];
        assert!(line("together").contains(&grouped(gone)) && gone > 18 * 3 * 16, "{text}");
    }
}
