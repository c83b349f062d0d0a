//! The options of `dress slice`.

use super::dry_run::DryRunArgs;
use super::listed::stock_target;
use super::served_by_args::ServedByArgs;
use super::slice::Slice;
use crate::{Error, Output, RunContext, locate};
use clap::Args;
use dress_core::StockTarget;
use dress_models::FloatType;
use dress_study::ComputeSettings;
use std::path::PathBuf;
use std::time::Instant;

/// Options of `dress slice`.
#[derive(Debug, Args)]
pub struct SliceArgs {
    /// The plan that `dress score` or `dress prune` wrote.
    #[arg(long)]
    plan: PathBuf,
    /// The checkpoint the plan was made from.
    input: PathBuf,
    /// Where the smaller checkpoint goes.
    output: PathBuf,
    /// Whose rules the shape of the result keeps.
    #[arg(long, default_value_t = StockTarget::default(), value_parser = stock_target())]
    target: StockTarget,
    #[command(flatten)]
    served_by: ServedByArgs,
    /// Replace what is there.
    #[arg(long)]
    force: bool,
    #[arg(
        long,
        help = format!("Where to load what cannot be read in parts, such as GGUF: {}", dress_machine::device::NAMES),
        default_value = "auto"
    )]
    device: String,
    /// Print one JSON object on standard output; everything else goes to standard error.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    dry_run: DryRunArgs,
}

impl SliceArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let began = Instant::now();
        let dry = self.dry_run.dry_run;
        let slice = self.settings()?;
        if dry { slice.dry_run() } else { slice.run(began) }
    }

    /// What they ask for.
    fn settings(self) -> Result<Slice, Error> {
        let device = dress_machine::device::parse(&self.device)?;
        device.seed(0);
        // Of what cannot be streamed.
        let compute = ComputeSettings { device, dtype: FloatType::F32 };
        Ok(Slice {
            plan: self.plan,
            input: locate(&self.input)?,
            out: self.output,
            target: self.target,
            served_by: self.served_by.formats()?,
            force: self.force,
            context: RunContext { compute, seed: 0, output: Output::new(self.json) },
        })
    }
}
