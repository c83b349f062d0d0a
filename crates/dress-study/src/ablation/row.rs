//! The rows of an ablation's table, and all of them together.

use super::{ABLATION_SCHEMA, AblationCell, Spread};
use crate::kept_cells::Measured;
use dress_core::Fingerprint;
use serde::{Deserialize, Serialize};

/// One combination of settings, over all its seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `dense`, `base`, what differs from the base as `gate=cosine:0.2`, or which control it is.
    pub name: String,
    /// The finished cells, one a seed.
    pub cells: Vec<AblationCell>,
    /// The figures over seeds, once a cell is finished.
    pub summary: Option<Summary>,
}

/// A row's figures over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Parameters.
    pub parameters: Spread,
    /// Perplexity on a text like the calibration's.
    pub seen: Spread,
    /// Perplexity on another text.
    pub unseen: Option<Spread>,
    /// Perplexity on the seen text over the base's with the same seed, so that what the seeds have in common
    /// does not count.
    pub to_base: Option<Spread>,
    /// How far slicing moved the logits.
    pub slicing_error: Option<Spread>,
    /// Minutes of loading, scoring, training and slicing.
    pub minutes: Spread,
    /// The most memory before evaluation, in MiB.
    pub peak_mib: Option<Spread>,
    /// Tokens a second of training.
    pub tokens_per_second: Option<Spread>,
}

/// Every row, as `ablate.json` has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ablation {
    /// [`ABLATION_SCHEMA`].
    pub schema: u32,
    /// The checkpoint as given.
    pub model: String,
    /// The checkpoint's fingerprint.
    pub fingerprint: Fingerprint,
    /// The options of the base as given, as `--axis residual --ratio 0.25`.
    pub base: String,
    /// What the base has for each option that is varied, as `lambda=5`.
    pub base_of_varied: Vec<String>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// The rows: the model as it is, the base, then in the order in which they were asked for.
    pub rows: Vec<Row>,
    /// The name of the row with the lowest mean perplexity on the seen text, the model as it is aside.
    pub best: Option<String>,
    /// Cells that were there already.
    pub reused: usize,
    /// The cells that failed.
    pub failed: Vec<String>,
}

impl Row {
    /// A row of which no cell is finished.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), cells: Vec::new(), summary: None }
    }

    /// Whether this is the model as it is.
    pub fn is_dense(&self) -> bool {
        self.name == Ablation::DENSE
    }

    fn perplexities(&self) -> Vec<(Option<u64>, f64)> {
        self.cells.iter().map(|cell| (cell.seed, cell.measured.seen.perplexity)).collect()
    }

    fn summarize(&self, base: &[(Option<u64>, f64)]) -> Option<Summary> {
        let of_seed = |seed: Option<u64>| base.iter().filter(move |of| seed.is_none() || of.0 == seed);
        let to_base = self.perplexities();
        let to_base = to_base.iter().flat_map(|(seed, own)| of_seed(*seed).map(move |(_, base)| own / base));
        let all = || self.cells.iter().map(|cell| &cell.measured);
        let some = |of: fn(&Measured) -> Option<f64>| Spread::of(all().filter_map(of));
        let seen = Spread::of(all().map(|of| of.seen.perplexity))?;
        Some(Summary {
            parameters: Spread::of(all().map(|of| of.parameters as f64))?,
            seen,
            unseen: some(|of| Some(of.unseen.as_ref()?.perplexity)),
            to_base: Spread::of(to_base),
            slicing_error: some(|of| of.slicing_error),
            minutes: Spread::of(all().map(|of| of.seconds / 60.0))?,
            peak_mib: some(|of| Some(of.peak_bytes? as f64 / f64::from(1 << 20))),
            tokens_per_second: some(Measured::tokens_per_second),
        })
    }
}

impl Ablation {
    /// The name of the row of the model as it is.
    pub const DENSE: &str = "dense";
    /// The name of the row that the others differ from.
    pub const BASE: &str = "base";

    /// Brings the figures up to what is finished.
    pub fn summarize(&mut self) {
        self.schema = ABLATION_SCHEMA;
        let base = self.row(Self::BASE).map(Row::perplexities).unwrap_or_default();
        for row in &mut self.rows {
            row.summary = row.summarize(&base);
        }
        let seen = |row: &Row| Some((row.name.clone(), row.summary.as_ref()?.seen.mean));
        let pruned = self.rows.iter().filter(|row| !row.is_dense()).filter_map(seen);
        let best = pruned.filter(|(_, seen)| seen.is_finite()).min_by(|a, b| a.1.total_cmp(&b.1));
        self.best = best.map(|(name, _)| name);
    }

    /// The row of that name.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}
