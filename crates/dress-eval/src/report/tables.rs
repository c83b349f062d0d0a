//! The tables of a report.

use super::number::{bytes, grouped, short, significant, with_error};
use super::{ModelReport, Report};
use crate::tasks::{Metric, paper_average};
use crate::{PairedDifference, PerplexityReport};
use dress_core::{AxisKind, least_to_most};

/// Rows of text under a header; the first column is a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportTable {
    /// A word for links.
    pub id: &'static str,
    /// What is above it.
    pub title: String,
    /// What it is about, in a sentence.
    pub note: String,
    /// The columns' names.
    pub header: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    /// The cells that are the best of what they are compared with: row and column, both from 0.
    pub best: Vec<(usize, usize)>,
}

impl ReportTable {
    /// Whether a column holds numbers, which stand right, and no words, which stand left.
    pub fn is_numeric(&self, column: usize) -> bool {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty());
        column > 0 && cells.clone().all(|cell| begins_as_a_number(cell))
    }
}

/// Whether a text is a number, with whatever unit, or stands for one that is not there.
fn begins_as_a_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+', '–']);
    let is_hash = text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    !is_hash
        && (digits.is_empty() || digits.starts_with(|letter: char| letter.is_ascii_digit()) || text == "NaN")
}

/// The row of the least of some values, where there are several and one of them is less than another.
fn least(values: &[(usize, f64)]) -> Option<usize> {
    let least = values.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    values.iter().any(|(_, value)| *value > least.1).then_some(least.0)
}

/// Every table that there are numbers for.
pub fn tables(report: &Report) -> Vec<ReportTable> {
    let models = &report.models;
    let all =
        [size(models), perplexity(models), tasks(models), departure(models), speed(models), origin(models)];
    let mut tables: Vec<ReportTable> = all.into_iter().flatten().collect();
    tables.extend([data(models), provenance(models)]);
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn table(id: &'static str, title: &str, note: &str, header: &[&str], rows: Vec<Vec<String>>) -> ReportTable {
    let header = header.iter().map(ToString::to_string).collect();
    ReportTable { id, title: title.into(), note: note.into(), header, rows, best: Vec::new() }
}

fn size(models: &[ModelReport]) -> Option<ReportTable> {
    let row = |model: &ModelReport| {
        let size = &model.size;
        let widths: Vec<String> = size.unaligned.iter().map(|u| format!("{} {}", u.axis, u.width)).collect();
        let axis = |(kind, len): &(AxisKind, usize)| {
            let range = size.ranges.iter().find(|(of, _)| of == kind).map_or([*len; 2], |(_, range)| *range);
            format!("{kind} {}", least_to_most(range.map(|len| len.to_string())))
        };
        let axes: Vec<String> = size.axes.iter().map(axis).collect();
        vec![
            model.name.clone(),
            grouped(size.parameters),
            bytes(size.bytes),
            short(size.macs_per_token as f64),
            short(size.macs_at(2047) as f64),
            axes.join(", "),
            if widths.is_empty() { "–".into() } else { widths.join(", ") },
        ]
    };
    let note = "In memory: the weights in the type that they were evaluated in. Multiplications a token: with weights \
                alone, and with the keys and values of 2,047 tokens before it. Hardware pads widths that are no multiple \
                of 16.";
    let header = ["model", "parameters", "in memory", "MACs a token", "… at 2,048", "shape", "off the tile"];
    Some(table("size", "Size", note, &header, models.iter().map(row).collect()))
}

/// What two perplexities have to share for a comparison.
pub(super) fn text_of(report: &PerplexityReport) -> String {
    let file = report.data.path.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut name = match report.protocol {
        Some(protocol) => format!("{protocol} ({file})"),
        None if file.is_empty() => "text".into(),
        None => file.into(),
    };
    name.push_str(&format!(", {} × {}", report.data.blocks, report.data.seqlen));
    if let Some(stride) = report.stride {
        name.push_str(&format!(", stride {stride}"));
    }
    if report.bos != dress_data::Bos::Tokenizer {
        name.push_str(&format!(", BOS {}", report.bos));
    }
    name
}

fn perplexity(models: &[ModelReport]) -> Option<ReportTable> {
    let row = |model: &ModelReport, found: &PerplexityReport| {
        let error = found.loss_standard_error.map(|error| error * found.perplexity);
        vec![
            model.name.clone(),
            with_error(found.perplexity, error),
            found.bits_per_byte.map_or("–".into(), |bits| format!("{bits:.4}")),
            text_of(found),
            grouped(found.targets),
            format!("{:.1}", found.tokens_per_second),
        ]
    };
    let all = || models.iter().flat_map(|model| model.perplexity.iter().map(move |found| (model, found)));
    let rows = all().map(|(model, found)| row(model, found)).collect();
    let mut texts: Vec<String> = all().map(|(_, found)| text_of(found)).collect();
    texts.sort();
    texts.dedup();
    let of_text = |text: &String| {
        let values = all().enumerate().filter(|(_, (_, found))| text_of(found) == *text);
        least(&values.map(|(row, (_, found))| (row, found.perplexity)).collect::<Vec<_>>())
    };
    let best = texts.iter().filter_map(of_text).map(|row| (row, 1)).collect();
    let note = "exp of the mean negative log-likelihood a counted token, with its standard error over blocks. Only \
                numbers of the same text, cut and tokenizer can be compared; bits a byte can be across tokenizers. The \
                lowest on each text is in bold.";
    let header = ["model", "perplexity", "bits a byte", "text", "counted tokens", "tokens/s"];
    Some(ReportTable { best, ..table("perplexity", "Perplexity", note, &header, rows) })
}

fn tasks(models: &[ModelReport]) -> Option<ReportTable> {
    let mut names: Vec<(String, usize)> = Vec::new();
    for task in models.iter().flat_map(|model| &model.tasks) {
        if !names.contains(&(task.task.clone(), task.fewshot)) {
            names.push((task.task.clone(), task.fewshot));
        }
    }
    let (mut rows, mut best) = (Vec::new(), Vec::new());
    for (name, fewshot) in &names {
        let of = |model: &ModelReport| {
            model.tasks.iter().find(|t| t.task == *name && t.fewshot == *fewshot).cloned()
        };
        let Some(first) = models.iter().find_map(of) else { continue };
        for metric in &first.metrics {
            let shots = if *fewshot > 0 { format!(", {fewshot}-shot") } else { String::new() };
            let headline = if metric.metric == first.headline { " *" } else { "" };
            let mut row = vec![format!("{name}{shots}"), format!("{}{headline}", metric.metric.name())];
            let sign = if metric.metric == Metric::Perplexity { 1.0 } else { -1.0 };
            let mut values = Vec::new();
            for (column, model) in models.iter().enumerate() {
                let found =
                    of(model).and_then(|t| t.metrics.iter().find(|m| m.metric == metric.metric).cloned());
                values.extend(found.as_ref().map(|found| (column + 2, sign * found.value)));
                row.push(found.map_or("–".into(), |found| with_error(found.value, found.standard_error)));
            }
            best.extend(least(&values).map(|column| (rows.len(), column)));
            row.push(first.rows.to_string());
            rows.push(row);
        }
    }
    let averages: Vec<Option<f64>> = models.iter().map(|model| paper_average(&model.tasks)).collect();
    if averages.iter().any(Option::is_some) {
        let mut row = vec!["mean of the papers' five".into(), "*".into()];
        row.extend(averages.into_iter().map(|mean| mean.map_or("–".into(), |mean| format!("{mean:.4}"))));
        row.push(String::new());
        rows.push(row);
    }
    let mut header = vec!["task".to_string(), "metric".into()];
    header.extend(models.iter().map(|model| model.name.clone()));
    header.push("rows".into());
    let note =
        "As lm-evaluation-harness scores them, with the standard error over rows; * is what papers report. The best in \
         each row is in bold."
            .into();
    Some(ReportTable { id: "tasks", title: "Tasks".into(), note, header, rows, best })
}

fn departure(models: &[ModelReport]) -> Option<ReportTable> {
    let row = |model: &ModelReport| {
        let found = model.departure.as_ref()?;
        let worst = found.layers.iter().min_by(|a, b| a.cosine.total_cmp(&b.cosine));
        Some(vec![
            model.name.clone(),
            name_of(models, found.against.as_str()),
            found.losses.as_ref().map_or("–".into(), perplexity_gained),
            with_error(found.kl, found.kl_standard_error),
            format!("{:.2}%", found.top1_agreement * 100.0),
            worst.map_or("–".into(), |at| format!("{:.4} behind layer {}", at.cosine, at.layer)),
            grouped(found.positions),
        ])
    };
    let note = "How much higher the model's perplexity is than the other's, with the standard error of the difference \
                over the same blocks; KL of its next-token distribution from the other's, in nats a position; and how \
                often both have the same likeliest token.";
    let header = [
        "model",
        "against",
        "perplexity",
        "KL",
        "top-1 agreement",
        "least cosine of the stream",
        "positions",
    ];
    Some(table("departure", "What changed", note, &header, models.iter().filter_map(row).collect()))
}

/// By how many percent a perplexity is higher, with the error of that.
fn perplexity_gained(losses: &PairedDifference) -> String {
    let (percent, error) = losses.percent_of_perplexity();
    format!("{percent:+.1}%{}", error.map_or(String::new(), |error| format!(" ± {error:.1}%")))
}

fn name_of(models: &[ModelReport], fingerprint: &str) -> String {
    let known = models.iter().find(|model| model.fingerprint.as_str() == fingerprint);
    known.map_or_else(|| first(fingerprint, 8), |model| model.name.clone())
}

fn speed(models: &[ModelReport]) -> Option<ReportTable> {
    let mut batches: Vec<usize> =
        models.iter().filter_map(|m| m.speed.as_ref()).flat_map(|s| s.config.batches.clone()).collect();
    batches.sort_unstable();
    batches.dedup();
    let spread = |s: crate::Spread| {
        format!("{} ({}–{})", significant(s.median), significant(s.p10), significant(s.p90))
    };
    let row = |model: &ModelReport| {
        let found = model.speed.as_ref()?;
        let mut row = vec![
            model.name.clone(),
            format!("{} × {}", found.config.prefill_tokens, found.config.repeats),
            spread(found.prefill_ms),
            spread(found.first_token_ms),
            spread(found.decode_ms),
        ];
        row.extend(batches.iter().map(|&batch| {
            let at = found.throughput.iter().find(|t| t.batch == batch);
            at.map_or("–".into(), |t| spread(t.tokens_per_second))
        }));
        row.push(found.peak_memory.map_or("–".into(), bytes));
        Some(row)
    };
    let rows = models.iter().filter_map(row).collect();
    let note = "Medians with the 10th and 90th percentiles. Models of one run were measured in turn, one round of each \
                after the other. Peak memory is the weights and what the prefill took besides.";
    let mut header = vec!["model".into(), "prefill × rounds".into()];
    header.extend(["prefill, ms", "first token, ms", "further token, ms"].map(String::from));
    header.extend(batches.iter().map(|batch| format!("tokens/s, batch {batch}")));
    header.push("peak memory".into());
    Some(ReportTable {
        id: "speed",
        title: "Speed".into(),
        note: note.into(),
        header,
        rows,
        best: Vec::new(),
    })
}

fn origin(models: &[ModelReport]) -> Option<ReportTable> {
    let row = |model: &ModelReport| {
        let origin = model.origin.as_ref()?;
        let kept: Vec<String> =
            origin.kept.iter().map(|k| format!("{} {} → {}", k.axis, k.before, k.after)).collect();
        Some(vec![
            model.name.clone(),
            origin.criterion.clone(),
            kept.join(", "),
            origin.basis.to_string(),
            origin.curve.last().map_or("no".into(), |last| format!("{} tokens", grouped(last.tokens))),
            origin.slicing_error.map_or("–".into(), |error| format!("{error:.1e}")),
            name_of(models, origin.made_from.as_str()),
        ])
    };
    let note = "How the pruned models came to be. The slice moved the logits by this share of their norm.";
    let header = ["model", "criterion", "kept", "basis", "regularized", "moved by the slice", "made from"];
    Some(table("origin", "How they were made", note, &header, models.iter().filter_map(row).collect()))
}

fn data(models: &[ModelReport]) -> ReportTable {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for model in models {
        let texts = model.perplexity.iter().map(|p| {
            let join = p.data.join.replace('\n', "\\n");
            vec![text_of(p), p.data.sha256.clone(), format!("joined by \"{join}\"")]
        });
        let tasks = model.tasks.iter().map(|t| {
            let examples = match &t.fewshot_sha256 {
                Some(hash) => {
                    format!("{} examples of {}, seed {}", t.fewshot, first(hash, 8), t.fewshot_seed)
                }
                None => format!("task file {}", first(&t.task_sha256, 8)),
            };
            vec![t.task.clone(), t.data_sha256.clone(), examples]
        });
        for row in texts.chain(tasks) {
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    table(
        "data",
        "Data",
        "SHA-256 of every file that was evaluated on.",
        &["data", "SHA-256", "settings"],
        rows,
    )
}

fn provenance(models: &[ModelReport]) -> ReportTable {
    let mut rows = Vec::new();
    for model in models {
        for run in &model.runs {
            let plan = model.origin.as_ref().map_or("–".into(), |origin| first(&origin.plan_sha256, 16));
            rows.push(vec![
                model.name.clone(),
                first(model.fingerprint.as_str(), 16),
                plan,
                first(&model.tokenizer_sha256, 16),
                format!("{}, {}", run.device, run.dtype),
                run.seed.to_string(),
                format!("dress {}, burn {}", run.dress_version, run.burn_version),
                run.date(),
                run.machine.to_string(),
            ]);
        }
    }
    let header =
        ["model", "fingerprint", "plan", "tokenizer", "device", "seed", "versions", "run", "machine"];
    let note = "Hashes are the first 16 digits; the whole ones are in the JSON file.";
    table("provenance", "Provenance", note, &header, rows)
}

/// The first letters of a hash, which a report that somebody wrote may not have as many of.
fn first(hash: &str, letters: usize) -> String {
    hash.chars().take(letters).collect()
}
