//! What `-h` shows: of commands with many options those that matter first. `--help` shows all.

use clap::Command;

/// The options that `-h` shows, by their names to clap. Commands that are not named show all of theirs.
const FIRST: [(&str, &[&str]); 6] = [
    (
        "prune",
        &[
            "model",
            "out",
            "calibration",
            "axis",
            "ratio",
            "params",
            "protect",
            "for",
            "compensate",
            "no_regularize",
            "validate",
            "dry_run",
        ],
    ),
    (
        "score",
        &[
            "model",
            "out",
            "calibration",
            "axis",
            "ratio",
            "params",
            "protect",
            "criterion",
            "stream",
            "dry_run",
        ],
    ),
    (
        "recover",
        &[
            "model",
            "out",
            "calibration",
            "samples",
            "full",
            "lora_rank",
            "distill_from",
            "learning_rate",
            "epochs",
            "validate",
            "dry_run",
        ],
    ),
    (
        "ablate",
        &[
            "model",
            "out",
            "calibration",
            "data",
            "axis",
            "ratio",
            "vary",
            "also",
            "seeds",
            "control",
            "dry_run",
        ],
    ),
    (
        "compare",
        &["model", "out", "calibration", "data", "unseen", "presets", "ratios", "by", "samples", "dry_run"],
    ),
    (
        "eval",
        &[
            "model",
            "against",
            "data",
            "protocol",
            "seqlen",
            "max_blocks",
            "tasks",
            "task_data",
            "speed",
            "out",
            "dry_run",
        ],
    ),
];

/// The same command, whose subcommands show few options in their short help.
pub(super) fn with_short_help(command: Command) -> Command {
    FIRST.iter().fold(command, |command, (name, first)| {
        command.mut_subcommand(name, |subcommand| {
            let subcommand = subcommand.mut_args(|arg| {
                let is_first = first.contains(&arg.get_id().as_str());
                arg.hide_short_help(!is_first)
            });
            subcommand.after_help(format!(
                "These are the options that matter first; dress {name} --help has all of them."
            ))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Cli;
    use clap::CommandFactory;

    #[test]
    fn every_option_that_is_shown_first_is_one() {
        let command = Cli::command();
        for (name, first) in FIRST {
            let subcommand = command.find_subcommand(name).unwrap();
            for id in first {
                assert!(subcommand.get_arguments().any(|arg| arg.get_id() == id), "dress {name} has no {id}");
            }
        }
    }

    #[test]
    fn what_stands_behind_a_group_is_not_under_its_heading() {
        use crate::commands::common_args::{HOW_IT_RUNS, RESULT};
        let command = Cli::command();
        for subcommand in command.get_subcommands() {
            for arg in subcommand.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let (name, heading) = (subcommand.get_name(), arg.get_help_heading());
                match arg.get_id().as_str() {
                    "out" | "force" => {
                        assert!([None, Some(RESULT)].contains(&heading), "{name}: {heading:?}");
                    }
                    "dry_run" => assert_eq!(heading, Some(HOW_IT_RUNS), "{name}"),
                    _ => {}
                }
            }
        }
    }
}
