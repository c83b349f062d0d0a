//! `dress eval`.

mod eval_args;
mod measurement_args;
mod task_args;

pub use eval_args::EvalArgs;

use crate::evaluation::{
    EvaluatedCheckpoint, EvaluationPlan, check_report_place, is_requests, read_report, write_report,
    write_requests,
};
use crate::{
    Error, Evaluation, PlaceLock, RunContext, Table, TerminalProgress, check_own_file_place, tokenizer,
};
use dress_eval::PerplexityReport;
use dress_eval::report::{ModelReport, Report};
use std::path::PathBuf;

/// What `dress eval` does.
#[derive(Debug)]
pub(super) struct Eval {
    /// The checkpoint as given.
    pub model: PathBuf,
    /// The model that it is held against, as given.
    pub against: Option<PathBuf>,
    /// Where both of them are.
    pub models: Vec<PathBuf>,
    /// What reports call the checkpoint.
    pub name: Option<String>,
    /// What is measured.
    pub plan: EvaluationPlan,
    /// A directory for the report.
    pub out: Option<PathBuf>,
    /// A file for every request of every task.
    pub requests: Option<PathBuf>,
    /// Whether what is there of other settings is replaced.
    pub force: bool,
    /// Where it is computed.
    pub context: RunContext,
}

impl Eval {
    pub fn run(self) -> Result<(), Error> {
        let (plan, context) = (&self.plan, &self.context);
        self.check()?;
        let _locks = self.locks()?;
        let progress = TerminalProgress::default();
        let checkpoint = EvaluatedCheckpoint::load(&self.model, self.name.as_deref(), context)?;
        let (report, records) = plan.evaluate(&checkpoint, context, &progress)?;
        let mut reports = vec![report];
        let against = match &self.against {
            Some(against) => Some(EvaluatedCheckpoint::load(against, None, context)?),
            None => None,
        };
        if let Some(against) = &against {
            plan.depart(&checkpoint, against, &mut reports[0], &progress)?;
            reports.push(plan.evaluate(against, context, &progress)?.0);
        }
        let both: Vec<&EvaluatedCheckpoint> = std::iter::once(&checkpoint).chain(&against).collect();
        plan.time(&both, &mut reports, &progress)?;
        if let Some(path) = &self.requests {
            write_requests(path, &records, self.force)?;
        }
        if let Some(directory) = &self.out {
            // The model that something was made from comes first.
            let shown = Report::new(reports.iter().rev().cloned().collect());
            write_report(directory, &shown, &format!("Evaluation of {}", checkpoint.name))?;
        }
        let evaluation = self.evaluation(reports);
        context.output.print(&evaluation, || text(&evaluation, self.out.as_deref()))?;
        Ok(())
    }

    /// What no other run may write to meanwhile; journals have locks of their own.
    fn locks(&self) -> Result<Vec<Option<PlaceLock>>, Error> {
        self.out.iter().chain(&self.requests).map(|place| PlaceLock::take(place)).collect()
    }

    /// Refuses before the work what would be refused after it.
    fn check(&self) -> Result<(), Error> {
        let (plan, models) = (&self.plan, &self.models[..]);
        if let Some(path) = &self.requests {
            check_own_file_place(path, self.force, "file of requests", is_requests)?;
        }
        if let Some(out) = &self.out {
            check_report_place(out)?;
            if !self.force && out.join("report.json").exists() {
                plan.check_replaces(&read_report(out)?, out, models, &self.context)?;
            }
        }
        let [model, against] = models else { return Ok(()) };
        if plan.text.is_some() && tokenizer(model)?.sha256() != tokenizer(against)?.sha256() {
            return Err(Error::OtherTokenizer { model: model.clone(), against: against.clone() });
        }
        Ok(())
    }

    fn evaluation(&self, reports: Vec<ModelReport>) -> Evaluation {
        let mut reports = reports.into_iter();
        let report = reports.next().expect("one report a checkpoint");
        Evaluation {
            report: report.perplexity.into_iter().next(),
            parameters: report.size.parameters,
            model: report.path,
            fingerprint: report.fingerprint,
            device: self.context.compute.device_name(),
            dtype: self.context.compute.dtype.to_string(),
            dress_version: env!("CARGO_PKG_VERSION").into(),
            size: report.size,
            tasks: report.tasks,
            departure: report.departure,
            speed: report.speed,
            against: reports.next().map(Box::new),
        }
    }
}

fn text(evaluation: &Evaluation, out: Option<&std::path::Path>) -> String {
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
            found.positions
        ));
    }
    if let Some(against) = &evaluation.against {
        lines.push(String::new());
        lines.push(both_text(evaluation, against));
    } else if !evaluation.tasks.is_empty() {
        lines.push(String::new());
        lines.push(task_text(evaluation));
    }
    let speeds =
        [Some(("this", &evaluation.speed)), evaluation.against.as_ref().map(|a| ("against", &a.speed))];
    for (name, speed) in speeds.into_iter().flatten() {
        if let Some(speed) = speed {
            lines.push(format!(
                "{name}: prefill {:.1} ms, first token {:.1} ms, then {:.2} ms a token (medians)",
                speed.prefill_ms.median, speed.first_token_ms.median, speed.decode_ms.median
            ));
        }
    }
    if let Some(out) = out {
        lines.push(format!("written to {}", out.join("report.html").display()));
    }
    lines.join("\n")
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

/// What was measured of both models, side by side.
fn both_text(evaluation: &Evaluation, against: &ModelReport) -> String {
    let mut table = Table::new(&["", &against.name, "this"]);
    let mut row =
        |name: &str, values: [String; 2]| table.row(&[name.into(), values[0].clone(), values[1].clone()]);
    row("parameters", [against.size.parameters, evaluation.parameters].map(|count| count.to_string()));
    if let (Some(other), Some(this)) = (against.perplexity.first(), &evaluation.report) {
        row("perplexity", [other, this].map(|found| format!("{:.4}", found.perplexity)));
    }
    for (other, this) in against.tasks.iter().zip(&evaluation.tasks) {
        for (other, metric) in other.metrics.iter().zip(&this.metrics) {
            let name = format!("{} {}", this.task, metric.metric.name());
            row(&name, [other, metric].map(|found| format!("{:.4}", found.value)));
        }
    }
    let means = [&against.tasks, &evaluation.tasks].map(|tasks| dress_eval::tasks::paper_average(tasks));
    if let [Some(other), Some(this)] = means {
        row("mean of the papers' five", [other, this].map(|mean| format!("{mean:.4}")));
    }
    table.to_string()
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
    if let Some(mean) = dress_eval::tasks::paper_average(&evaluation.tasks) {
        table.row(&["mean of the papers' five".into(), String::new(), format!("{mean:.4}")]);
    }
    table.to_string()
}
