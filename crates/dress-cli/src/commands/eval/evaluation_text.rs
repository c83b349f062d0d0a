//! What is said of an evaluation.

use crate::evaluation::PairedValue;
use crate::{Evaluation, Table};
use dress_eval::report::{ModelReport, grouped};
use dress_eval::tasks::{Metric, MetricValue, paper_average};
use dress_eval::{PerplexityReport, SpeedReport};
use std::path::Path;

/// All of it, with where the report is.
pub(super) fn text(evaluation: &Evaluation, out: Option<&Path>) -> String {
    let mut lines = Vec::new();
    if let Some(report) = &evaluation.report {
        lines.push(perplexity_text(report, evaluation.parameters));
    }
    if let (Some(found), Some(against)) = (&evaluation.departure, &evaluation.against) {
        lines.push(format!(
            "against {}: KL {:.4} nats, the same likeliest token at {:.2}% of {} positions",
            against.name,
            found.kl,
            found.top1_agreement * 100.0,
            grouped(found.positions)
        ));
    }
    if let Some(against) = &evaluation.against {
        lines.push(String::new());
        lines.push(both_text(evaluation, against));
    } else if !evaluation.tasks.is_empty() {
        lines.push(String::new());
        lines.push(task_text(evaluation));
    }
    let [this, other] = names(evaluation);
    lines.extend(evaluation.speed.as_ref().map(|speed| speed_text(&this, speed)));
    let speed_of_other = evaluation.against.as_ref().and_then(|against| against.speed.as_ref());
    lines.extend(speed_of_other.map(|speed| speed_text(&other, speed)));
    if let Some(out) = out {
        lines.push(format!("written to {}", out.join("report.html").display()));
    }
    lines.join("\n")
}

/// What the checkpoint and the other model are called: their paths where their names are one.
fn names(evaluation: &Evaluation) -> [String; 2] {
    match &evaluation.against {
        Some(against) if against.name == evaluation.name => [evaluation.model.clone(), against.path.clone()],
        Some(against) => [evaluation.name.clone(), against.name.clone()],
        None => [evaluation.name.clone(), String::new()],
    }
}

fn speed_text(name: &str, speed: &SpeedReport) -> String {
    format!(
        "{name}: prefill {:.1} ms, first token {:.1} ms, then {:.2} ms a token (medians)",
        speed.prefill_ms.median, speed.first_token_ms.median, speed.decode_ms.median
    )
}

fn perplexity_text(report: &PerplexityReport, parameters: u64) -> String {
    let error = report
        .loss_standard_error
        .map_or(String::new(), |error| format!(" (standard error {:.4})", error * report.perplexity));
    let bits = report.bits_per_byte.map_or(String::new(), |bits| format!("; {bits:.4} bits a byte"));
    let reused = match report.reused {
        0 => String::new(),
        reused => format!("; {reused} blocks reused"),
    };
    format!(
        "perplexity {:.4}{error} over {} blocks of {} tokens{bits}; {:.1} tokens/s; {parameters} parameters{reused}",
        report.perplexity, report.data.blocks, report.data.seqlen, report.tokens_per_second
    )
}

/// A row of both models: the other's value, the checkpoint's, what is between them with its error, and which
/// is the better.
struct Row {
    name: String,
    values: [String; 2],
    difference: String,
    error: String,
    percent: String,
    /// The column of the better, where one is.
    best: Option<usize>,
}

impl Row {
    /// Of sizes, of which no error is known and none is the better.
    fn of_sizes(name: &str, sizes: [u64; 2], write: fn(u64) -> String) -> Self {
        let [other, this] = sizes.map(|size| size as f64);
        let less = if this < other { "-" } else { "+" };
        Self {
            name: name.into(),
            values: sizes.map(write),
            difference: format!("{less}{}", write(sizes[0].abs_diff(sizes[1]))),
            error: String::new(),
            percent: format!("{:+.1}%", 100.0 * (this / other.max(1.0) - 1.0)),
            best: None,
        }
    }

    fn of_quality(
        name: String,
        values: [f64; 2],
        paired: Option<&PairedValue>,
        more_is_better: bool,
    ) -> Self {
        let [other, this] = values;
        let error = paired.and_then(|paired| paired.difference.standard_error);
        // The error of a perplexity is that of its logarithm, times itself.
        let error = error.map(|error| if more_is_better { error } else { error * this });
        let percent = paired.map_or(100.0 * (this / other - 1.0), |paired| paired.percent);
        let of_percent = paired.and_then(|paired| paired.percent_standard_error);
        let best = match this.total_cmp(&other).is_gt() == more_is_better {
            _ if this == other => None,
            true => Some(2),
            false => Some(1),
        };
        Self {
            name,
            values: values.map(|value| format!("{value:.4}")),
            difference: format!("{:+.4}", this - other),
            error: error.map_or(String::new(), |error| format!("{error:.4}")),
            percent: format!(
                "{percent:+.1}%{}",
                of_percent.map_or(String::new(), |error| format!(" ± {error:.1}%"))
            ),
            best,
        }
    }

    fn put_into(self, table: &mut Table) {
        let [other, this] = self.values;
        table.row(&[self.name, other, this, self.difference, self.error, self.percent]);
        if let Some(column) = self.best {
            table.mark(column);
        }
    }
}

/// What was measured of both models, side by side, with what is between them.
fn both_text(evaluation: &Evaluation, against: &ModelReport) -> String {
    let [this, other] = names(evaluation);
    let mut table = Table::new(&["", other.as_str(), this.as_str(), "difference", "error", "percent"]);
    let parameters = [against.size.parameters, evaluation.parameters];
    Row::of_sizes("parameters", parameters, grouped).put_into(&mut table);
    if let [this, other] = evaluation.stored_bytes[..] {
        let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        Row::of_sizes("bytes as stored", [other, this], megabytes).put_into(&mut table);
    }
    let paired = |task: Option<&str>, metric: &str| {
        evaluation.paired.iter().find(|value| value.task.as_deref() == task && value.metric == metric)
    };
    if let (Some(other), Some(this)) = (against.perplexity.first(), &evaluation.report) {
        let values = [other, this].map(|found| found.perplexity);
        let of_text = paired(None, Metric::Perplexity.name());
        Row::of_quality("perplexity".into(), values, of_text, false).put_into(&mut table);
    }
    for (other, this) in against.tasks.iter().zip(&evaluation.tasks) {
        for (other, metric) in other.metrics.iter().zip(&this.metrics) {
            let values = [other, metric].map(|found: &MetricValue| found.value);
            let of_task = paired(Some(&this.task), metric.metric.name());
            let name = format!("{} {}", this.task, metric.metric.name());
            let more_is_better = metric.metric != Metric::Perplexity;
            Row::of_quality(name, values, of_task, more_is_better).put_into(&mut table);
        }
    }
    let means = [&against.tasks, &evaluation.tasks].map(|tasks| paper_average(tasks));
    if let [Some(other), Some(this)] = means {
        Row::of_quality("mean of the papers' five".into(), [other, this], None, true).put_into(&mut table);
    }
    format!("{table}* the better of both; errors are of the difference, over the same blocks and rows\n")
}

fn task_text(evaluation: &Evaluation) -> String {
    let mut table = Table::new(&["task", "metric", "value", "error", "rows", "requests/s", "reused"]);
    for task in &evaluation.tasks {
        for metric in &task.metrics {
            table.row(&[
                task.task.clone(),
                metric.metric.name().into(),
                format!("{:.4}", metric.value),
                metric.standard_error.map_or("–".into(), |error| format!("{error:.4}")),
                task.rows.to_string(),
                task.requests_per_second.map_or("–".into(), |speed| format!("{speed:.1}")),
                task.reused.to_string(),
            ]);
        }
    }
    if let Some(mean) = paper_average(&evaluation.tasks) {
        table.row(&["mean of the papers' five".into(), String::new(), format!("{mean:.4}")]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_eval::PairedDifference;

    #[test]
    fn the_better_is_marked_and_the_error_is_of_what_is_between_them() {
        let difference = PairedDifference { difference: 0.1, standard_error: Some(0.02), pairs: 9 };
        let (percent, percent_standard_error) = difference.percent_of_perplexity();
        let (metric, more_is_better) = ("perplexity", false);
        let paired =
            PairedValue { task: None, metric, difference, percent, percent_standard_error, more_is_better };
        let row = Row::of_quality("perplexity".into(), [20.0, 22.1034], Some(&paired), false);
        assert_eq!((row.best, row.difference.as_str(), row.error.as_str()), (Some(1), "+2.1034", "0.4421"));
        assert_eq!(row.percent, "+10.5% ± 2.2%");
        let accuracy = Row::of_quality("piqa acc".into(), [0.5, 0.75], None, true);
        assert_eq!((accuracy.best, accuracy.percent.as_str()), (Some(2), "+50.0%"));
        assert_eq!(Row::of_quality("same".into(), [0.5, 0.5], None, true).best, None);
        let sizes = Row::of_sizes("parameters", [1000, 750], grouped);
        assert_eq!((sizes.difference.as_str(), sizes.percent.as_str()), ("-250", "-25.0%"));
    }
}
