//! What clap knows of the options of `dress prune`, for those who have them one at a time.

use super::PruneArgs;
use super::by_parts_args::ByPartsArgs;
use super::common_args::OF_THE_COMMAND;
use super::prune_args::SettingsFileArgs;
use super::select_args::HOW_MUCH;
use super::transform_args::PLACES;
use crate::Error;
use crate::option_groups::{conflict, of_group};
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Args, Command, Id, value_parser};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::LazyLock;

/// The options of `dress prune`.
pub(super) static PRUNE_OPTIONS: LazyLock<PruneOptions> = LazyLock::new(PruneOptions::new);

/// The options of `dress prune`, as clap knows them.
pub(super) struct PruneOptions {
    /// As the command has them.
    command: Command,
    /// Where each may stand alone, to be read by its own parser.
    alone: Command,
    /// Where a value may be anything, to ask which options may be without which.
    presence: Command,
    /// What clap takes an option only together with.
    needs: BTreeMap<String, Vec<String>>,
}

impl PruneOptions {
    fn new() -> Self {
        let presence = unbuilt().mut_args(|arg| {
            let arg = arg.required(false);
            if is_flag(&arg) { arg } else { arg.value_parser(value_parser!(String)) }
        });
        let alone = unbuilt().mut_args(|arg| arg.required(false).requires(Resettable::<Id>::Reset));
        let command = built(unbuilt());
        let needs = needs(&command, &built(nothing_has_to_go(presence.clone())));
        Self { command, alone: built(nothing_has_to_go(alone)), presence: built(presence), needs }
    }

    /// Those that may be varied.
    pub fn varied(&self) -> impl Iterator<Item = &Arg> {
        varied(&self.command)
    }

    /// The option of that name, with dashes or underscores in it.
    ///
    /// # Errors
    /// [`Error::NoSuchOption`].
    pub fn named(&self, name: &str) -> Result<&Arg, Error> {
        let long = name.replace('_', "-");
        let found = self.varied().find(|arg| arg.get_long() == Some(long.as_str()));
        found.ok_or_else(|| {
            let mut known: Vec<&str> = self.varied().filter_map(Arg::get_long).collect();
            known.sort_unstable();
            Error::NoSuchOption { name: name.into(), known: known.join(", ") }
        })
    }

    /// Those of a group, by their names to clap.
    pub fn of_group(&self, name: &str) -> Vec<&str> {
        of_group(&self.command, name)
    }

    /// Those that may not be given together with `arg`.
    pub fn conflicting(&self, arg: &Arg) -> impl Iterator<Item = &str> {
        let all = self.command.get_arguments();
        all.filter(move |other| conflict(&self.command, arg, other)).map(|other| other.get_id().as_str())
    }

    /// What clap takes the option of that name to clap only together with.
    pub fn needs(&self, id: &str) -> &[String] {
        self.needs.get(id).map_or(&[], Vec::as_slice)
    }

    /// What stands on the command line for an option.
    pub fn word(&self, id: &str, value: Option<&str>) -> Option<String> {
        word(&self.command, id, value)
    }

    /// What the option's own parser reads of `value`, and nothing else. `row` is only named in errors.
    ///
    /// # Errors
    /// [`Error::SettingOfRow`] where it reads nothing.
    pub fn read(&self, arg: &Arg, value: Option<&str>, row: &str) -> Result<ArgMatches, Error> {
        let word = self.word(arg.get_id().as_str(), value);
        let matches = self.alone.clone().try_get_matches_from(word);
        Ok(only(&matches.map_err(|error| refused(row, &error))?, arg.get_id().as_str()))
    }

    /// The defaults of all options, of a run of the checkpoint at `model` with its result at `out`.
    ///
    /// # Errors
    /// [`Error::SettingOfRow`] where clap has an objection to them.
    pub fn defaults(&self, row: &str, model: &Path, out: &Path, seed: u64) -> Result<ArgMatches, Error> {
        let words: [OsString; 5] =
            ["--model".into(), model.into(), "--out".into(), out.into(), format!("--seed={seed}").into()];
        self.alone.clone().try_get_matches_from(words).map_err(|error| refused(row, &error))
    }

    /// Whether options may be given with all of the others that are, and without all that are not.
    ///
    /// # Errors
    /// [`Error::SettingOfRow`] where they may not.
    pub fn check<'a>(&self, ids: impl Iterator<Item = &'a str>, row: &str) -> Result<(), Error> {
        let words = ids.filter_map(|id| placeholder(&self.command, id));
        let matches = self.presence.clone().try_get_matches_from(words);
        matches.map(|_| ()).map_err(|error| refused(row, &error))
    }
}

/// The parser of `dress prune`, before clap put together what groups hold.
fn unbuilt() -> Command {
    PruneArgs::augment_args(Command::new("prune").no_binary_name(true).disable_help_flag(true))
}

fn built(mut command: Command) -> Command {
    command.build();
    command
}

fn nothing_has_to_go(command: Command) -> Command {
    command.mut_group(HOW_MUCH, |group| group.required(false))
}

/// The options that may be varied: all but those that are the same in every row, or that the study has in
/// another form.
fn varied(command: &Command) -> impl Iterator<Item = &Arg> {
    let structs = [SettingsFileArgs::group_id(), ByPartsArgs::group_id()];
    let structs = structs.iter().flatten().flat_map(|group| of_group(command, group.as_str()));
    let same = [PLACES, OF_THE_COMMAND].into_iter().flat_map(|group| of_group(command, group));
    let same: Vec<&str> = same.chain(structs).collect();
    let options = command.get_arguments().filter(|arg| arg.get_long().is_some());
    options.filter(move |arg| !same.contains(&arg.get_id().as_str()))
}

/// What clap takes each option only together with. It says so where an option is given alone.
fn needs(command: &Command, presence: &Command) -> BTreeMap<String, Vec<String>> {
    let needed = |arg: &Arg| {
        let id = arg.get_id().to_string();
        let error = presence.clone().try_get_matches_from(placeholder(command, &id)).err()?;
        let missing = match (error.kind(), error.get(ContextKind::InvalidArg)) {
            (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) => missing.clone(),
            _ => return None,
        };
        let named = presence.get_arguments().filter(|arg| missing.contains(&arg.to_string()));
        Some((id, named.map(|arg| arg.get_id().to_string()).collect()))
    };
    varied(command).filter_map(needed).collect()
}

/// What stands on the command line for one option.
fn word(command: &Command, id: &str, value: Option<&str>) -> Option<String> {
    let long = command.get_arguments().find(|arg| arg.get_id() == id)?.get_long()?;
    Some(value.map_or(format!("--{long}"), |value| format!("--{long}={value}")))
}

/// The same where it does not matter which value it has.
fn placeholder(command: &Command, id: &str) -> Option<String> {
    let arg = command.get_arguments().find(|arg| arg.get_id() == id)?;
    word(command, id, (!is_flag(arg)).then_some("value"))
}

/// Whether an option takes no value.
pub(super) fn is_flag(arg: &Arg) -> bool {
    !arg.get_action().takes_values()
}

/// What clap has read of one option, without all else.
pub(super) fn only(matches: &ArgMatches, id: &str) -> ArgMatches {
    let mut read = matches.clone();
    let others: Vec<String> = matches.ids().filter(|other| *other != id).map(ToString::to_string).collect();
    for other in others {
        read.try_clear_id(&other).expect("the name is from the matches");
    }
    read
}

/// The error for a row that clap has an objection to.
pub(super) fn refused(row: &str, error: &clap::Error) -> Error {
    Error::SettingOfRow { row: row.into(), reason: first_lines(error) }
}

/// What clap says, without the usage below it.
fn first_lines(error: &clap::Error) -> String {
    let text = error.to_string();
    let said = text.split("\n\n").next().unwrap_or_default();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    said.strip_prefix("error: ").unwrap_or(&said).into()
}
