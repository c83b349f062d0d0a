//! The subcommands, one a file.

mod ablate;
mod ablate_args;
mod axis_shapes;
mod base_options;
mod by_parts_args;
mod cell_process;
mod common_args;
mod compare;
mod compare_args;
mod completions;
mod control_options;
mod costs;
mod costs_args;
mod did_it_help;
mod dry_run;
mod eval;
mod export;
mod export_args;
mod generate;
mod generate_args;
mod given_options;
mod inspect;
mod inspect_args;
mod join;
mod join_args;
mod listed;
mod logits;
mod logits_args;
mod next_command;
mod own_texts;
mod plot;
mod plot_args;
mod plotted_file;
mod prune;
mod prune_args;
mod prune_by_parts;
mod prune_command_args;
mod prune_options;
mod quality;
mod quality_args;
mod recover;
mod recover_args;
mod regularize_args;
mod report;
mod report_args;
mod rotate;
mod rotate_args;
mod score;
mod score_args;
mod select_args;
mod selection_table;
mod served_by_args;
mod shape_args;
mod short_help;
mod size_warnings;
mod slice;
mod slice_args;
mod stream;
mod stream_args;
mod study_args;
mod training_args;
mod transform;
mod transform_args;
mod watch_args;
mod watched;
mod written_ratio;
mod written_setting;

pub use ablate_args::AblateArgs;
pub use common_args::CommonArgs;
pub use compare_args::CompareArgs;
pub use completions::CompletionsArgs;
pub use costs_args::CostsArgs;
pub use eval::EvalArgs;
pub use export_args::ExportArgs;
pub use generate_args::GenerateArgs;
pub use inspect_args::InspectArgs;
pub use join_args::JoinArgs;
pub use logits_args::LogitsArgs;
pub use plot_args::PlotArgs;
pub use prune_args::PruneArgs;
pub use prune_command_args::PruneCommandArgs;
pub use recover_args::RecoverArgs;
pub use report_args::ReportArgs;
pub use rotate_args::RotateArgs;
pub use score_args::ScoreArgs;
pub use slice_args::SliceArgs;
pub use stream_args::StreamArgs;

use crate::{Error, LogFormat};
use clap::{Parser, Subcommand};
use std::ffi::OsString;

/// Makes a trained language model smaller: regularize, then prune.
#[derive(Debug, Parser)]
#[command(name = "dress", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say more on standard error: -v for what happens, -vv for each step.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// How progress, warnings and errors are written on standard error: for people, with a line every half
    /// minute where there is no terminal, or one JSON object a line.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true, value_name = "FORMAT")]
    pub log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show a checkpoint's shape and the axes it can be sliced along.
    Inspect(InspectArgs),
    /// Score structures and write a slice plan.
    Score(ScoreArgs),
    /// Score, regularize, slice and save: the whole path.
    Prune(Box<PruneCommandArgs>),
    /// Put together what `prune --layers` made of the layers of one checkpoint.
    Join(JoinArgs),
    /// Keep the dense model's residual streams in files, for `prune --layers --streams`.
    Stream(StreamArgs),
    /// Fine-tune a sliced model, by low-rank factors or in full.
    Recover(RecoverArgs),
    /// Turn the residual stream to its principal components; the logits stay.
    Rotate(RotateArgs),
    /// Apply a slice plan to the checkpoint it was made from, from file to file and without regularizing.
    Slice(SliceArgs),
    /// Write a checkpoint as a file that other engines run, such as llama.cpp's GGUF.
    Export(ExportArgs),
    /// Run published methods side by side on one checkpoint at equal size.
    Compare(Box<CompareArgs>),
    /// Try settings of prune on one checkpoint, and write one table.
    Ablate(Box<AblateArgs>),
    /// Measure perplexity, tasks, speed, and what changed.
    Eval(Box<EvalArgs>),
    /// Join evaluations into one table, one file and one page.
    Report(ReportArgs),
    /// Measure what a checkpoint's forward pass costs on this machine, for --latency.
    Costs(CostsArgs),
    /// Write logits and greedy text to compare with other software.
    Logits(LogitsArgs),
    /// Continue a text.
    Generate(GenerateArgs),
    /// Draw a run, a search or a plan.
    Plot(PlotArgs),
    /// Write the completions of a shell to standard output.
    Completions(CompletionsArgs),
}

impl Cli {
    /// `command` as clap has it from these options, for a command line of these words: the subcommands that
    /// they name show what matters first in their `-h`.
    pub fn described(command: clap::Command, words: &[OsString]) -> clap::Command {
        short_help::with_short_help(command, words)
    }

    /// Runs the subcommand.
    ///
    /// # Errors
    /// Whatever the subcommand runs into.
    pub fn run(self) -> Result<(), Error> {
        match self.command {
            Command::Inspect(args) => args.run(),
            Command::Score(args) => args.run(),
            Command::Prune(args) => args.run(),
            Command::Join(args) => args.run(),
            Command::Stream(args) => args.run(),
            Command::Recover(args) => args.run(),
            Command::Rotate(args) => args.run(),
            Command::Slice(args) => args.run(),
            Command::Export(args) => args.run(),
            Command::Compare(args) => args.run(),
            Command::Ablate(args) => args.run(),
            Command::Eval(args) => args.run(),
            Command::Report(args) => args.run(),
            Command::Costs(args) => args.run(),
            Command::Logits(args) => args.run(),
            Command::Generate(args) => args.run(),
            Command::Plot(args) => args.run(),
            Command::Completions(args) => args.run(),
        }
    }
}
