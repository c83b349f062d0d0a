//! What clap knows of options together: which stand in a group, and which may not be given together.

use clap::{Arg, ArgGroup, Command};

/// The options of a group, by their names to clap. Those that name their group themselves are there once
/// `command` is built.
pub(crate) fn of_group<'a>(command: &'a Command, name: &str) -> Vec<&'a str> {
    let group = command.get_groups().find(|group| group.get_id() == name);
    group.into_iter().flat_map(ArgGroup::get_args).map(|id| id.as_str()).collect()
}

/// Whether two options of a built command may not be given together: one of them says so, or both are of a
/// group of which one alone may be given.
pub(crate) fn conflict(command: &Command, one: &Arg, other: &Arg) -> bool {
    let says = |one: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(one).iter().any(|arg| arg.get_id() == other.get_id())
    };
    let excludes = |group: &ArgGroup| {
        let holds = |arg: &Arg| group.get_args().any(|id| id == arg.get_id());
        // Clap asks only a group that it may change whether it takes several.
        holds(one) && holds(other) && !group.clone().is_multiple()
    };
    let differ = one.get_id() != other.get_id();
    differ && (says(one, other) || says(other, one) || command.get_groups().any(excludes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Cli;
    use clap::CommandFactory;

    #[test]
    fn options_conflict_where_one_says_so_or_a_group_takes_one_alone() {
        let mut cli = Cli::command();
        cli.build();
        let prune = cli.find_subcommand("prune").unwrap();
        let option = |id: &str| prune.get_arguments().find(|arg| arg.get_id() == id).unwrap();
        let conflict = |one: &str, other: &str| conflict(prune, option(one), option(other));
        let measures = ["ratio", "params", "flops", "bytes", "latency", "max_perplexity", "plan"];
        for one in measures {
            for other in measures {
                assert_eq!(conflict(one, other), one != other, "{one} {other}");
            }
        }
        assert!(conflict("plan", "axis") && conflict("axis", "plan") && !conflict("axis", "ratio"));
        assert!(conflict("no_regularize", "lambda") && !conflict("lambda", "gate"));
    }

    #[test]
    fn what_regularizes_cannot_be_given_where_nothing_is_regularized() {
        let mut cli = Cli::command();
        cli.build();
        let prune = cli.find_subcommand("prune").unwrap();
        let off = prune.get_arguments().find(|arg| arg.get_id() == "no_regularize").unwrap();
        let headings = ["Regularization", "Training", "Distillation"];
        let of = prune
            .get_arguments()
            .filter(|arg| arg.get_help_heading().is_some_and(|of| headings.contains(&of)));
        let of: Vec<&Arg> = of.collect();
        assert!(headings.iter().all(|heading| of.iter().any(|arg| arg.get_help_heading() == Some(heading))));
        for arg in of {
            assert!(conflict(prune, off, arg), "--no-regularize takes --{}", arg.get_id());
        }
    }
}
