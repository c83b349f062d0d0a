//! What `-h` shows: of commands with many options those that matter first. `--help` shows all.

use crate::option_groups::of_group;
use clap::Command;
use std::ffi::OsString;

/// The group of options of a command that `-h` shows. Commands without it show all of theirs.
///
/// An option says itself that it is of this group where it is the command's own. Of those that commands share
/// a command names its own choice, since what matters first differs, and an option is of the same groups
/// wherever it is.
pub(super) const FIRST: &str = "first";

/// The same command, whose subcommands that are among `words` show few options in their short help. The
/// others are left alone, since it takes a built copy of a subcommand to know which of its options matter.
pub(super) fn with_short_help(command: Command, words: &[OsString]) -> Command {
    command.mut_subcommands(|subcommand| {
        if !words.iter().any(|word| word == subcommand.get_name()) {
            return subcommand;
        }
        let first = first_of(&subcommand);
        if first.is_empty() {
            return subcommand;
        }
        let name = subcommand.get_name().to_string();
        let subcommand = subcommand.mut_args(|arg| {
            let is_first = first.iter().any(|id| arg.get_id() == id);
            arg.hide_short_help(!is_first)
        });
        subcommand.after_help(format!(
            "These are the options that matter first; dress {name} --help has all of them."
        ))
    })
}

/// The options of [`FIRST`].
fn first_of(subcommand: &Command) -> Vec<String> {
    let mut built = subcommand.clone();
    // Only then does clap know what its groups hold.
    built.build();
    of_group(&built, FIRST).into_iter().map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Cli;
    use clap::CommandFactory;

    #[test]
    fn a_short_help_shows_what_a_command_cannot_do_without_and_not_all() {
        let command = Cli::command();
        let (mut short, mut missing) = (Vec::new(), Vec::new());
        for subcommand in command.get_subcommands() {
            let (name, first) = (subcommand.get_name(), first_of(subcommand));
            let needed = subcommand.get_arguments().filter(|arg| arg.is_required_set());
            if first.is_empty() {
                continue;
            }
            for id in &first {
                assert!(subcommand.get_arguments().any(|arg| arg.get_id() == id), "dress {name} has no {id}");
            }
            missing.extend(needed.filter(|arg| first.iter().all(|id| arg.get_id() != id)));
            assert!(first.len() <= 12 && first.len() < subcommand.get_arguments().count(), "{name}");
            short.push(name);
        }
        assert!(missing.is_empty(), "{missing:?}");
        assert_eq!(short, ["score", "prune", "recover", "compare", "ablate", "eval"]);
        // Whoever has so many options says which matter first.
        let long = command.get_subcommands().filter(|subcommand| subcommand.get_arguments().count() > 25);
        let long = long.filter(|subcommand| !short.contains(&subcommand.get_name()));
        assert_eq!(long.map(Command::get_name).collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn the_short_help_of_the_subcommand_that_is_named_is_short() {
        let words = ["dress", "prune", "-h"].map(OsString::from);
        let command = with_short_help(Cli::command(), &words);
        let hides = |name: &str| {
            let subcommand = command.find_subcommand(name).unwrap();
            subcommand.get_arguments().any(|arg| arg.is_hide_short_help_set())
        };
        assert!(hides("prune") && !hides("eval"), "nobody asked for the help of eval");
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
