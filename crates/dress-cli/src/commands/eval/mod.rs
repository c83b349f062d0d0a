//! `dress eval`.

mod dry_run;
mod eval_args;
mod evaluation_text;
mod measurement_args;
mod task_args;

pub use eval_args::EvalArgs;

use crate::evaluation::{
    EvaluatedCheckpoint, EvaluationPlan, PairedValue, check_report_place, is_requests, paired, read_report,
    write_report, write_requests,
};
use crate::{
    Error, Evaluation, PlaceLock, RunContext, check_own_file_place, shown_progress, stored_bytes, tokenizer,
};
use dress_eval::PairedDifference;
use dress_eval::report::{ModelReport, Report};
use evaluation_text::text;
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
        let progress = shown_progress();
        let checkpoint = EvaluatedCheckpoint::load(&self.model, self.name.as_deref(), context)?;
        let measured = plan.evaluate(&checkpoint, context, &progress)?;
        let (mut reports, mut both_have) = (vec![measured.report.clone()], Vec::new());
        let against = match &self.against {
            Some(against) => Some(EvaluatedCheckpoint::load(against, None, context)?),
            None => None,
        };
        if let Some(against) = &against {
            plan.depart(&checkpoint, against, &mut reports[0], &progress)?;
            let other = plan.evaluate(against, context, &progress)?;
            both_have = paired(&other, &measured);
            if let Some(departure) = &mut reports[0].departure {
                departure.losses = PairedDifference::of_losses(&other.losses, &measured.losses);
            }
            reports.push(other.report);
        }
        let both: Vec<&EvaluatedCheckpoint> = std::iter::once(&checkpoint).chain(&against).collect();
        plan.time(&both, &mut reports, &progress)?;
        if let Some(path) = &self.requests {
            write_requests(path, &measured.records, self.force)?;
        }
        if let Some(directory) = &self.out {
            // The model that something was made from comes first.
            let shown = Report::new(reports.iter().rev().cloned().collect());
            write_report(directory, &shown, &format!("Evaluation of {}", checkpoint.name))?;
        }
        let evaluation = self.evaluation(reports, both_have)?;
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
                let there = read_report(out).map_err(unread)?;
                plan.check_replaces(&there, out, models, &self.context)?;
            }
        }
        let [model, against] = models else { return Ok(()) };
        if plan.text.is_some() && tokenizer(model)?.sha256() != tokenizer(against)?.sha256() {
            return Err(Error::OtherTokenizer { model: model.clone(), against: against.clone() });
        }
        Ok(())
    }

    fn evaluation(&self, reports: Vec<ModelReport>, paired: Vec<PairedValue>) -> Result<Evaluation, Error> {
        let bytes = |(path, report): (&PathBuf, &ModelReport)| {
            Ok(report.size.parameters * stored_bytes(path)? as u64)
        };
        let stored_bytes = self.models.iter().zip(&reports).map(bytes).collect::<Result<_, Error>>()?;
        let mut reports = reports.into_iter();
        let report = reports.next().expect("one report a checkpoint");
        Ok(Evaluation {
            report: report.perplexity.into_iter().next(),
            parameters: report.size.parameters,
            model: report.path,
            name: report.name,
            paired,
            stored_bytes,
            fingerprint: report.fingerprint,
            device: self.context.compute.device_name(),
            dtype: self.context.compute.dtype.to_string(),
            dress_version: env!("CARGO_PKG_VERSION").into(),
            size: report.size,
            tasks: report.tasks,
            departure: report.departure,
            speed: report.speed,
            against: reports.next().map(Box::new),
        })
    }
}

/// What is said of a report that cannot be read, where another is to take its place.
fn unread(error: Error) -> Error {
    use dress_eval::Error::{ReportFormat, ReportUnreadable};
    match error {
        Error::Eval(ReportUnreadable { path, cause }) => {
            Error::UnreadReport { path, reason: cause.to_string() }
        }
        Error::Eval(ReportFormat { path, found, .. }) => {
            Error::UnreadReport { path, reason: format!("format {found}") }
        }
        error => error,
    }
}
