//! The options that `dress ablate` has in common with `dress prune`.

use super::PruneArgs;
use super::given_options::Given;
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
        PruneArgs::augment_args(command)
            .mut_arg("out", |arg| arg.help(out))
            .mut_arg("force", |arg| arg.help("Run every cell, those that are there already too"))
            .mut_args(|arg| {
                let is_by_parts = ["stream", "layers", "streams"].contains(&arg.get_id().as_str());
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
