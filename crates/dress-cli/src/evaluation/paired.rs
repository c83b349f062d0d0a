//! Two checkpoints on the same blocks and rows.

use super::Measured;
use dress_eval::PairedDifference;
use dress_eval::tasks::Metric;
use serde::Serialize;

/// One quantity of two checkpoints that were measured on the same blocks or rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairedValue {
    /// The task; none for the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The metric.
    pub metric: &'static str,
    /// How much greater the checkpoint's is than the other's; of a perplexity, how much more it loses in
    /// nats.
    pub difference: PairedDifference,
    /// By how many percent the metric is greater.
    pub percent: f64,
    /// The standard error of that.
    pub percent_standard_error: Option<f64>,
    /// Whether more is better.
    pub more_is_better: bool,
}

impl PairedValue {
    fn of_losses(task: Option<String>, difference: PairedDifference) -> Self {
        let (percent, percent_standard_error) = difference.percent_of_perplexity();
        let (metric, more_is_better) = (Metric::Perplexity.name(), false);
        Self { task, metric, difference, percent, percent_standard_error, more_is_better }
    }

    fn of_metric(task: String, metric: Metric, difference: PairedDifference, of_other: f64) -> Self {
        let percent = |part: f64| 100.0 * part / of_other.abs().max(f64::MIN_POSITIVE);
        Self {
            task: Some(task),
            metric: metric.name(),
            percent: percent(difference.difference),
            percent_standard_error: difference.standard_error.map(percent),
            difference,
            more_is_better: true,
        }
    }
}

/// Every quantity that both have, how much greater it is of `checkpoint` than of `other`.
pub fn paired(other: &Measured, checkpoint: &Measured) -> Vec<PairedValue> {
    let text = PairedDifference::of_losses(&other.losses, &checkpoint.losses);
    let mut all: Vec<PairedValue> =
        text.map(|difference| PairedValue::of_losses(None, difference)).into_iter().collect();
    for (first, second) in other.rows.iter().zip(&checkpoint.rows) {
        let Some(difference) = PairedDifference::of_values(&first.values, &second.values) else { continue };
        let mean = first.values.iter().sum::<f64>() / first.values.len().max(1) as f64;
        let task = first.task.clone();
        all.push(match first.metric {
            Metric::Perplexity => PairedValue::of_losses(Some(task), difference),
            metric => PairedValue::of_metric(task, metric, difference, mean),
        });
    }
    all
}
