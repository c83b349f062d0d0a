//! The options that `dress ablate` has in common with `dress prune`.

use super::PruneArgs;
use super::by_parts_args::ByPartsArgs;
use super::given_options::Given;
use crate::option_groups::of_group;
use clap::{ArgMatches, Args, Command, FromArgMatches};

/// The options of `dress prune`, which every row starts from.
#[derive(Debug)]
pub(super) struct Base {
    /// What they are, defaults included.
    pub prune: PruneArgs,
    /// Those that were given.
    pub given: Given,
}

impl Args for Base {
    fn augment_args(command: Command) -> Command {
        let out = "Where the results go: ablate.json, ablate.md, ablate.svg, ablate.png, and a file a cell, which is used \
                   again by the next run with the same settings";
        let command = PruneArgs::augment_args(command);
        let by_parts = ByPartsArgs::group_id().unwrap_or_default();
        let by_parts: Vec<String> =
            of_group(&command, by_parts.as_str()).into_iter().map(String::from).collect();
        command
            .mut_arg("out", |arg| arg.help(out))
            .mut_arg("force", |arg| arg.help("Run every cell, those that are there already too"))
            .mut_args(|arg| {
                let is_by_parts = by_parts.iter().any(|id| arg.get_id() == id);
                if is_by_parts { arg.hide(true) } else { arg }
            })
            .mut_arg("seed", |arg| arg.help("Seed of everything that is drawn, where --seeds gives no other"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Base {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { prune: PruneArgs::from_arg_matches(matches)?, given: Given::of(matches) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
