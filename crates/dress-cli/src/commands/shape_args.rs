//! The options that say which sizes a shape may have, whatever serves it.

use super::common_args::{SAID_BY_A_PLAN, at_least_one, usual};
use super::listed::stock_target;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use dress_core::StockTarget;
use dress_prune::Sizes;

/// What the sizes of a result keep to.
#[derive(Debug, Clone, Args)]
pub(super) struct ShapeRules {
    /// Round what stays to a multiple of this, beside what the checkpoint's config wants; not of whole
    /// layers.
    #[arg(long, group = SAID_BY_A_PLAN, default_value_t = usual().tile, value_parser = at_least_one)]
    pub tile: usize,
    /// Whose rules the shape of the result keeps: of any of transformers, vLLM and llama.cpp, of
    /// transformers, or of these crates alone. Without it, without --tile and --for, sizes are also rounded
    /// to what llama.cpp:q4_k_m and mlx:4bit quantize, where that moves less than 2% of the parameters.
    #[arg(long, default_value_t = usual().stock, value_parser = stock_target())]
    pub target: StockTarget,
}

/// The same, and whether any of them was given.
#[derive(Debug, Clone)]
pub struct ShapeArgs {
    pub(super) rules: ShapeRules,
    are_given: bool,
}

impl ShapeArgs {
    /// Which sizes stay where no engine is named: what is said of them here is all that is asked of them.
    pub(super) fn sizes(&self) -> Sizes {
        if self.are_given { Sizes::AsAsked } else { Sizes::default() }
    }
}

impl Args for ShapeArgs {
    fn augment_args(command: Command) -> Command {
        ShapeRules::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        ShapeRules::augment_args_for_update(command)
    }
}

impl FromArgMatches for ShapeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { rules: ShapeRules::from_arg_matches(matches)?, are_given: is_given(matches) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.are_given |= is_given(matches);
        self.rules.update_from_arg_matches(matches)
    }
}

/// Whether any of the rules was given.
fn is_given(matches: &ArgMatches) -> bool {
    let given = |name: &str| matches.value_source(name).is_some_and(|from| from != ValueSource::DefaultValue);
    ["tile", "target"].into_iter().any(given)
}
