//! Options of `dress prune` as data: given, changed, and read again by the command's own parser.

use crate::Error;
use crate::ablation::{Resolved, Setting};
use crate::commands::PruneArgs;
use crate::commands::regularize_args::PENALTY_OPTIONS;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

/// Options that are the same in every cell, or that a cell's key has in another form.
const NOT_VARIED: [&str; 7] = ["model", "out", "force", "json", "seed", "config", "help"];
/// Options whose files a cell's key has the hashes of.
const IN_THE_KEY: [&str; 4] = ["calibration", "plan", "costs", "device"];
/// Options that mean nothing without another.
const DEPENDENTS: [(&str, &[&str]); 5] = [
    ("latency", &["costs", "latency_of"]),
    ("gate", &["gate_norms", "lora_rank", "lora_alpha", "lora_targets"]),
    ("lora_rank", &["lora_alpha", "lora_targets"]),
    ("distill", &["distill_temperature", "distill_hidden", "distill_cache"]),
    ("early_stopping", &["early_stopping_every", "early_stopping_patience"]),
];

/// The options of one run of `dress prune` that are given, by their names to clap, with their values as written; flags
/// have none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Given(BTreeMap<String, Option<String>>);

/// The parser of `dress prune`.
fn command() -> Command {
    PruneArgs::augment_args(Command::new("prune").no_binary_name(true))
}

/// Whether an option is one of those that may be varied.
fn is_varied(arg: &Arg) -> bool {
    arg.get_long().is_some() && !NOT_VARIED.contains(&arg.get_id().as_str())
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
        for arg in command().get_arguments().filter(|arg| is_varied(arg)) {
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
    pub fn with(&self, setting: &Setting) -> Result<Self, Error> {
        let command = command();
        let arg = option(&command, &setting.option)?;
        let mut given = self.clone();
        match (setting.value.as_str(), is_flag(arg)) {
            ("none" | "off", _) => return Ok(self.without(&[arg.get_id().as_str()])),
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
        let mut conflicting: Vec<&str> = conflicting.map(|other| other.get_id().as_str()).collect();
        // Without a penalty on weights its options would be refused.
        if ["gate", "no_penalty"].contains(&arg.get_id().as_str()) && !self.has("penalty-in-loss") {
            conflicting.extend(PENALTY_OPTIONS);
        }
        let kept =
            given.without(&conflicting).0.into_iter().chain(given.0.remove_entry(arg.get_id().as_str()));
        Ok(Self(kept.collect()))
    }

    /// Without some options, and without those that mean nothing then.
    pub fn without(&self, ids: &[&str]) -> Self {
        let mut given = self.0.clone();
        for id in ids {
            given.remove(*id);
            let dependents =
                DEPENDENTS.iter().filter(|(of, _)| of == id).flat_map(|(_, dependents)| *dependents);
            dependents.for_each(|dependent| drop(given.remove(*dependent)));
        }
        Self(given)
    }

    /// The run that these options make, with every option that has a value then. `row` is only named in errors.
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
        let resolved = resolved(&matches, &args);
        Ok((args, resolved))
    }

    /// What stands on the command line for these options.
    fn words(&self, command: &Command) -> Vec<String> {
        let word = |(id, value): (&String, &Option<String>)| {
            let arg = command.get_arguments().find(|arg| arg.get_id() == id.as_str())?;
            let long = arg.get_long()?;
            Some(value.as_ref().map_or(format!("--{long}"), |value| format!("--{long}={value}")))
        };
        self.0.iter().filter_map(word).collect()
    }
}

/// As they would be typed.
impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words(&command()).join(" "))
    }
}

/// Every option with a value that a result may depend on; numbers are written one way.
fn resolved(matches: &ArgMatches, args: &PruneArgs) -> Resolved {
    let of_result = |arg: &&Arg| is_varied(arg) && !IN_THE_KEY.contains(&arg.get_id().as_str());
    let command = command();
    let value = |arg: &Arg| {
        let value = written(matches, arg.get_id().as_str())?;
        let numbers: Vec<String> = value.split(',').map(one_way).collect();
        Some((arg.get_long()?.to_string(), numbers.join(",")))
    };
    let written = command.get_arguments().filter(of_result).filter_map(value);
    args.usual_values().into_iter().map(|(name, value)| (name.into(), value)).chain(written).collect()
}

/// `1e-4` as `0.0001`, and what is no number as it is.
fn one_way(value: &str) -> String {
    value.parse::<f64>().map_or_else(|_| value.into(), |number| number.to_string())
}

/// The option of that name, with dashes or underscores in it.
fn option<'a>(command: &'a Command, name: &str) -> Result<&'a Arg, Error> {
    let long = name.replace('_', "-");
    let found = command.get_arguments().find(|arg| is_varied(arg) && arg.get_long() == Some(long.as_str()));
    found.ok_or_else(|| {
        let known = command.get_arguments().filter(|arg| is_varied(arg)).filter_map(Arg::get_long);
        let mut known: Vec<&str> = known.collect();
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
    fn equal_settings_resolve_alike_however_they_are_written() {
        let base = given(&["--axis", "ffn", "--ratio", "0.5", "--basis", "identity"]);
        let resolved = |given: &Given| given.parse("row", Path::new("m"), Path::new("o"), 1).unwrap().1;
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
