//! Options of `dress prune` as data: given, changed, and read again by the command's own parser.

use super::PruneArgs;
use super::common_args::{HOW_MUCH, OF_THE_COMMAND};
use super::regularize_args::PENALISES;
use super::transform_args::PLACES;
use super::written_setting::WrittenSetting;
use crate::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueHint};
use dress_study::ablation::Resolved;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

/// The groups of options that are the same in every row, or that the study has in another form.
const NOT_VARIED: [&str; 4] = [PLACES, OF_THE_COMMAND, "SettingsFileArgs", "ByPartsArgs"];

/// The options of one run of `dress prune` that are given, by their names to clap, with their values as written; flags
/// have none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Given(BTreeMap<String, Option<String>>);

/// The parser of `dress prune`.
fn command() -> Command {
    let mut command = unbuilt();
    command.build();
    command
}

/// The same before clap put together what groups hold.
fn unbuilt() -> Command {
    PruneArgs::augment_args(Command::new("prune").no_binary_name(true).disable_help_flag(true))
}

/// The options of a group, by their names to clap.
fn group<'a>(command: &'a Command, name: &str) -> impl Iterator<Item = &'a str> {
    let group = command.get_groups().find(|group| group.get_id() == name);
    group.into_iter().flat_map(|group| group.get_args()).map(|id| id.as_str())
}

/// The options that may be varied.
fn varied(command: &Command) -> impl Iterator<Item = &Arg> {
    let same: Vec<&str> = NOT_VARIED.iter().flat_map(|name| group(command, name)).collect();
    let options = command.get_arguments().filter(|arg| arg.get_long().is_some());
    options.filter(move |arg| !same.contains(&arg.get_id().as_str()))
}

/// Whether a cell's key has an option in another form: files by their hashes, and the device by its name.
fn is_in_the_key(arg: &Arg) -> bool {
    arg.get_value_hint() == ValueHint::AnyPath || arg.get_id() == "device"
}

fn is_flag(arg: &Arg) -> bool {
    !arg.get_action().takes_values()
}

/// What the matches have of an option, the parts of a list joined.
fn written(matches: &ArgMatches, id: &str) -> Option<String> {
    let parts = matches.get_raw(id)?.map(|part| part.to_string_lossy().into_owned());
    Some(parts.collect::<Vec<_>>().join(","))
}

impl Given {
    /// The options of `dress prune` that were given on a command line.
    pub fn of(matches: &ArgMatches) -> Self {
        let mut given = BTreeMap::new();
        for arg in varied(&command()) {
            let id = arg.get_id().as_str();
            if matches.value_source(id) == Some(ValueSource::CommandLine) {
                let value = if is_flag(arg) { None } else { written(matches, id) };
                given.insert(id.into(), value);
            }
        }
        Self(given)
    }

    /// Whether an option is given, by its name on the command line.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(&name.replace('-', "_"))
    }

    /// With one option set otherwise. Options that conflict with it, and those that mean nothing without what is left
    /// out, are no longer given.
    ///
    /// # Errors
    /// [`Error::NoSuchOption`] and [`Error::SettingOfRow`].
    pub fn with(&self, setting: &WrittenSetting) -> Result<Self, Error> {
        let command = command();
        let arg = option(&command, &setting.option)?;
        let mut given = self.clone();
        match (setting.value.as_str(), is_flag(arg)) {
            ("none" | "off", _) => return Ok(self.without(&[arg.get_id().to_string()])),
            ("on", true) => given.0.insert(arg.get_id().to_string(), None),
            (_, true) => {
                let reason = "this option takes no value; write on or off".into();
                return Err(Error::SettingOfRow { row: setting.to_string(), reason });
            }
            (value, false) => {
                let value = match arg.get_value_delimiter() {
                    Some(delimiter) => value.replace('+', &delimiter.to_string()),
                    None => value.into(),
                };
                given.0.insert(arg.get_id().to_string(), Some(value))
            }
        };
        let conflicting = command.get_arguments().filter(|other| conflict(&command, arg, other));
        let mut conflicting: Vec<String> = conflicting.map(|other| other.get_id().to_string()).collect();
        // Without a penalty on weights its options would be refused.
        if ["gate", "no_penalty"].contains(&arg.get_id().as_str()) && !self.has("penalty-in-loss") {
            conflicting.extend(Self::of_group(PENALISES));
        }
        let own = given.0.remove_entry(arg.get_id().as_str());
        Ok(Self(given.without(&conflicting).0.into_iter().chain(own).collect()))
    }

    /// The options of a group of `dress prune`, by their names to clap.
    pub fn of_group(name: &str) -> Vec<String> {
        group(&command(), name).map(String::from).collect()
    }

    /// Without some options, and without those that clap takes only together with one of them.
    pub fn without(&self, ids: &[String]) -> Self {
        let (command, mut left_out) = (unbuilt(), ids.to_vec());
        let mut given = self.0.clone();
        given.retain(|id, _| !left_out.contains(id));
        let alone = relaxed();
        loop {
            let needs_what_is_left_out = |id: &String, value: &Option<String>| {
                let word = word(&command, id, value.as_deref());
                word.is_some_and(|word| needs(&alone, &word).iter().any(|id| left_out.contains(id)))
            };
            let dependents = given.iter().filter(|(id, value)| needs_what_is_left_out(id, value));
            let dependents: Vec<String> = dependents.map(|(id, _)| id.clone()).collect();
            if dependents.is_empty() {
                return Self(given);
            }
            given.retain(|id, _| !dependents.contains(id));
            left_out.extend(dependents);
        }
    }

    /// The options of the run that these make, and every one with a value, as written. `row` is only named in errors.
    ///
    /// # Errors
    /// [`Error::SettingOfRow`] where the parser refuses them.
    pub fn parse(
        &self,
        row: &str,
        model: &Path,
        out: &Path,
        seed: u64,
    ) -> Result<(PruneArgs, Resolved), Error> {
        let command = command();
        let mut words: Vec<OsString> = vec!["--model".into(), model.into(), "--out".into(), out.into()];
        words.push(format!("--seed={seed}").into());
        words.extend(self.words(&command).into_iter().map(Into::into));
        let refused =
            |error: clap::Error| Error::SettingOfRow { row: row.into(), reason: first_lines(&error) };
        let matches = command.try_get_matches_from(words).map_err(refused)?;
        let args = PruneArgs::from_arg_matches(&matches).map_err(refused)?;
        Ok((args, of_result(&matches)))
    }

    /// What stands on the command line for these options.
    fn words(&self, command: &Command) -> Vec<String> {
        self.0.iter().filter_map(|(id, value)| word(command, id, value.as_deref())).collect()
    }
}

/// What stands on the command line for one option.
fn word(command: &Command, id: &str, value: Option<&str>) -> Option<String> {
    let long = command.get_arguments().find(|arg| arg.get_id() == id)?.get_long()?;
    Some(value.map_or(format!("--{long}"), |value| format!("--{long}={value}")))
}

/// The parser of `dress prune` that takes any option without those that every run needs.
fn relaxed() -> Command {
    let command = unbuilt().mut_args(|arg| arg.required(false));
    let mut command = command.mut_group(HOW_MUCH, |group| group.required(false));
    // Only then can an option say what it is called in messages.
    command.build();
    command
}

/// The options that clap takes this one only together with, by their names to clap.
fn needs(relaxed: &Command, word: &str) -> Vec<String> {
    let Err(error) = relaxed.clone().try_get_matches_from([word]) else { return Vec::new() };
    let missing = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) => missing,
        _ => return Vec::new(),
    };
    let named = relaxed.get_arguments().filter(|arg| missing.contains(&arg.to_string()));
    named.map(|arg| arg.get_id().to_string()).collect()
}

/// As they would be typed.
impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words(&command()).join(" "))
    }
}

/// Every option with a value that a result may depend on; numbers are written one way.
fn of_result(matches: &ArgMatches) -> Resolved {
    let value = |arg: &Arg| {
        let value = written(matches, arg.get_id().as_str())?;
        let numbers: Vec<String> = first_name(arg, value).split(',').map(one_way).collect();
        Some((arg.get_long()?.to_string(), numbers.join(",")))
    };
    varied(&command()).filter(|arg| !is_in_the_key(arg)).filter_map(value).collect()
}

/// A value under the name that it had first, so that what was kept under that is found.
fn first_name(arg: &Arg, value: String) -> String {
    match (arg.get_id().as_str(), value.as_str()) {
        ("target", "all") => "any".into(),
        ("gradient_checkpointing", "layers") => "blocks".into(),
        _ => value,
    }
}

/// `1e-4` as `0.0001`, and what is no number as it is.
fn one_way(value: &str) -> String {
    value.parse::<f64>().map_or_else(|_| value.into(), |number| number.to_string())
}

/// The option of that name, with dashes or underscores in it.
fn option<'a>(command: &'a Command, name: &str) -> Result<&'a Arg, Error> {
    let long = name.replace('_', "-");
    let found = varied(command).find(|arg| arg.get_long() == Some(long.as_str()));
    found.ok_or_else(|| {
        let mut known: Vec<&str> = varied(command).filter_map(Arg::get_long).collect();
        known.sort_unstable();
        Error::NoSuchOption { name: name.into(), known: known.join(", ") }
    })
}

/// Whether two options may not be given together; one of them says so.
fn conflict(command: &Command, one: &Arg, other: &Arg) -> bool {
    let says = |one: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(one).iter().any(|arg| arg.get_id() == other.get_id())
    };
    says(one, other) || says(other, one)
}

/// What clap says, without the usage below it.
fn first_lines(error: &clap::Error) -> String {
    let text = error.to_string();
    let said = text.split("\n\n").next().unwrap_or_default();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    said.strip_prefix("error: ").unwrap_or(&said).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::Basis;

    fn given(words: &[&str]) -> Given {
        let matches = command().get_matches_from([&["--model", "m", "--out", "o"], words].concat());
        Given::of(&matches)
    }

    fn with(given: &Given, setting: &str) -> Result<Given, Error> {
        given.with(&setting.parse().unwrap())
    }

    #[test]
    fn what_is_set_replaces_what_conflicts_with_it() {
        let base = given(&["--axis", "ffn,heads", "--ratio", "0.25", "--lambda", "3", "--kept-only"]);
        assert_eq!(base.to_string(), "--axis=ffn,heads --kept-only --lambda=3 --ratio=0.25");
        let text = |setting: &str| with(&base, setting).unwrap().to_string();
        assert_eq!(text("lambda=20"), "--axis=ffn,heads --kept-only --lambda=20 --ratio=0.25");
        assert_eq!(text("params=0.7"), "--axis=ffn,heads --kept-only --lambda=3 --params=0.7");
        assert_eq!(text("axis=residual+ffn"), "--axis=residual,ffn --kept-only --lambda=3 --ratio=0.25");
        assert_eq!(text("kept-only=off"), "--axis=ffn,heads --lambda=3 --ratio=0.25");
        assert_eq!(text("no-regularize=on"), "--axis=ffn,heads --no-regularize --ratio=0.25");
        assert_eq!(text("plan=p.json"), "--kept-only --lambda=3 --plan=p.json");
        let timed =
            given(&["--axis", "ffn", "--latency", "0.7", "--costs", "c.json", "--latency-of", "prefill"]);
        let text = |setting: &str| with(&timed, setting).unwrap().to_string();
        assert_eq!(text("params=0.7"), "--axis=ffn --params=0.7");
        assert_eq!(text("latency=0.6"), "--axis=ffn --costs=c.json --latency=0.6 --latency-of=prefill");
    }

    #[test]
    fn what_means_nothing_alone_goes_with_what_it_belongs_to() {
        let factors = ["--lora-rank", "8", "--lora-alpha", "4"];
        let gate = ["--axis", "ffn", "--ratio", "0.5", "--gate", "constant", "--gate-norms", "count"];
        let base = given(&[&gate[..], &factors].concat());
        assert_eq!(with(&base, "gate=none").unwrap().to_string(), "--axis=ffn --ratio=0.5");
        let without_factors = "--axis=ffn --gate=constant --gate-norms=count --ratio=0.5";
        assert_eq!(with(&base, "lora-rank=none").unwrap().to_string(), without_factors);
    }

    #[test]
    fn a_value_is_in_keys_under_the_name_that_it_had_first() {
        let written = |option: &str, more: &[&str]| {
            let given = given(&[&["--axis", "ffn", "--ratio", "0.5"], more].concat());
            given.parse("row", Path::new("m"), Path::new("o"), 1).unwrap().1.remove(option)
        };
        for target in [&[][..], &["--target", "all"], &["--target", "any"]] {
            assert_eq!(written("target", target).as_deref(), Some("any"), "{target:?}");
        }
        for kept in ["layers", "blocks"] {
            let found = written("gradient-checkpointing", &["--gradient-checkpointing", kept]);
            assert_eq!(found.as_deref(), Some("blocks"), "{kept}");
        }
    }

    #[test]
    fn equal_settings_resolve_alike_however_they_are_written() {
        let base = given(&["--axis", "ffn", "--ratio", "0.5", "--basis", "identity"]);
        let resolved = |given: &Given| -> Resolved {
            let (args, written) = given.parse("row", Path::new("m"), Path::new("o"), 1).unwrap();
            let usual = args.usual_values(Basis::Identity).into_iter();
            usual.map(|(name, value)| (name.into(), value)).chain(written).collect()
        };
        let default = resolved(&base);
        assert_eq!(resolved(&with(&base, "lambda=5.0").unwrap()), default);
        assert_eq!(resolved(&with(&base, "gate=none").unwrap()), default);
        assert_eq!(resolved(&with(&base, "learning-rate=3e-4").unwrap()), default);
        assert_eq!((default["lambda"].as_str(), default["ratio"].as_str()), ("5", "0.5"));
        assert_ne!(resolved(&with(&base, "lambda=6").unwrap()), default);
    }

    #[test]
    fn a_wrong_name_or_value_is_named() {
        let base = given(&["--axis", "ffn", "--ratio", "0.5"]);
        let said = with(&base, "lamda=1").unwrap_err().to_string();
        assert!(
            said.contains("`lamda`") && said.contains("lambda") && said.contains("learning-rate"),
            "{said}"
        );
        assert!(with(&base, "model=m").is_err() && with(&base, "kept-only=maybe").is_err());
        let parse = |setting: &str| {
            with(&base, setting)
                .unwrap()
                .parse("the row", Path::new("m"), Path::new("o"), 1)
                .unwrap_err()
                .to_string()
        };
        let said = parse("lambda=much");
        assert!(said.contains("the row") && said.contains("--lambda") && said.lines().count() == 1, "{said}");
        assert!(parse("gate-norms=count").contains("--gate"), "{}", parse("gate-norms=count"));
    }
}
