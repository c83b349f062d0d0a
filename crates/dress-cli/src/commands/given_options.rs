//! Options of `dress prune` as data: given, changed, and what a run has of them.

use super::PruneArgs;
use super::prune_options::{PRUNE_OPTIONS, is_flag, only, refused};
use super::regularize_args::{PENALISES, PENALISES_NOTHING};
use super::written_setting::WrittenSetting;
use crate::Error;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, FromArgMatches, ValueHint};
use dress_core::published_paths;
use dress_study::ablation::Resolved;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// The options of one run of `dress prune` that are given, by their names to clap.
#[derive(Debug, Clone, Default)]
pub(super) struct Given(BTreeMap<String, GivenOption>);

/// One option that is given.
#[derive(Debug, Clone)]
struct GivenOption {
    /// Its value as written; flags have none.
    written: Option<String>,
    /// What clap has read of it, and of nothing else.
    read: ArgMatches,
}

/// What the matches have of an option, the parts of a list joined.
fn written(matches: &ArgMatches, id: &str) -> Option<String> {
    let parts = matches.get_raw(id)?.map(|part| part.to_string_lossy().into_owned());
    Some(parts.collect::<Vec<_>>().join(","))
}

/// Whether a cell's key has an option in another form: files by their hashes, and the device by its name.
fn is_in_the_key(arg: &Arg) -> bool {
    arg.get_value_hint() == ValueHint::AnyPath || arg.get_id() == "device"
}

impl Given {
    /// The options of `dress prune` that were given on a command line.
    pub fn of(matches: &ArgMatches) -> Self {
        let mut given = BTreeMap::new();
        for arg in PRUNE_OPTIONS.varied() {
            let id = arg.get_id().as_str();
            if matches.value_source(id) == Some(ValueSource::CommandLine) {
                let written = if is_flag(arg) { None } else { written(matches, id) };
                given.insert(id.into(), GivenOption { written, read: only(matches, id) });
            }
        }
        Self(given)
    }

    /// Whether an option is given, by its name on the command line.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(&name.replace('-', "_"))
    }

    /// With one option set otherwise, in the row of that name. Options that conflict with it, and those that
    /// mean nothing without what is left out, are no longer given.
    ///
    /// # Errors
    /// [`Error::NoSuchOption`], and [`Error::SettingOfRow`] where the option's parser refuses the value.
    pub fn with(&self, setting: &WrittenSetting, row: &str) -> Result<Self, Error> {
        let arg = PRUNE_OPTIONS.named(&setting.option)?;
        let id = arg.get_id().as_str();
        let written = match (setting.value.as_str(), is_flag(arg)) {
            ("none" | "off", _) => return Ok(self.without(&[id])),
            ("on", true) => None,
            (_, true) => {
                let reason = "this option takes no value; write on or off".into();
                return Err(Error::SettingOfRow { row: setting.to_string(), reason });
            }
            (value, false) => Some(match arg.get_value_delimiter() {
                Some(delimiter) => value.replace('+', &delimiter.to_string()),
                None => value.into(),
            }),
        };
        let read = PRUNE_OPTIONS.read(arg, written.as_deref(), row)?;
        let mut conflicting: Vec<&str> = PRUNE_OPTIONS.conflicting(arg).collect();
        // Without a penalty on weights its options would be refused.
        if PRUNE_OPTIONS.of_group(PENALISES_NOTHING).contains(&id) && !self.has("penalty-in-loss") {
            conflicting.extend(PRUNE_OPTIONS.of_group(PENALISES));
        }
        let mut given = self.without(&conflicting);
        given.0.insert(id.into(), GivenOption { written, read });
        Ok(given)
    }

    /// Without some options, and without those that clap takes only together with one of them.
    pub fn without(&self, ids: &[&str]) -> Self {
        let mut left_out: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let mut given = self.0.clone();
        given.retain(|id, _| !left_out.contains(id));
        loop {
            let needs_what_is_left_out =
                |id: &&String| PRUNE_OPTIONS.needs(id).iter().any(|needed| left_out.contains(needed));
            let dependents: Vec<String> = given.keys().filter(needs_what_is_left_out).cloned().collect();
            if dependents.is_empty() {
                return Self(given);
            }
            given.retain(|id, _| !dependents.contains(id));
            left_out.extend(dependents);
        }
    }

    /// The options of the run that these make, and every one with a value, as written. `row` is only named in
    /// errors.
    ///
    /// # Errors
    /// [`Error::SettingOfRow`] where they may not be given together.
    pub fn args(
        &self,
        row: &str,
        model: &Path,
        out: &Path,
        seed: u64,
    ) -> Result<(PruneArgs, Resolved), Error> {
        PRUNE_OPTIONS.check(self.0.keys().map(String::as_str), row)?;
        let refused = |error: clap::Error| refused(row, &error);
        let defaults = PRUNE_OPTIONS.defaults(row, model, out, seed)?;
        let mut args = PruneArgs::from_arg_matches(&defaults).map_err(refused)?;
        for option in self.0.values() {
            // Each is read already; only its own field is set.
            args.update_from_arg_matches(&option.read).map_err(refused)?;
        }
        Ok((args, self.of_result(&defaults)))
    }

    /// As they would be typed, with paths as files say them that may be published.
    pub fn published(&self) -> String {
        self.words().map(|word| published_paths(&word)).collect::<Vec<_>>().join(" ")
    }

    fn words(&self) -> impl Iterator<Item = String> {
        self.0.iter().filter_map(|(id, option)| PRUNE_OPTIONS.word(id, option.written.as_deref()))
    }

    /// Every option with a value that a result may depend on; numbers are written one way.
    fn of_result(&self, defaults: &ArgMatches) -> Resolved {
        let value = |arg: &Arg| {
            let id = arg.get_id().as_str();
            let value = written(self.0.get(id).map_or(defaults, |option| &option.read), id)?;
            let numbers: Vec<String> = first_name(arg, value).split(',').map(one_way).collect();
            Some((arg.get_long()?.to_string(), numbers.join(",")))
        };
        PRUNE_OPTIONS.varied().filter(|arg| !is_in_the_key(arg)).filter_map(value).collect()
    }
}

/// As they would be typed.
impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(" "))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::CommonArgs;
    use crate::commands::common_args::{CalibrationArgs, ComputeArgs, OF_THE_COMMAND, SAID_BY_A_PLAN};
    use crate::commands::regularize_args::{LoraArgs, REGULARIZES, RegularizeArgs};
    use crate::commands::select_args::SelectArgs;
    use crate::commands::served_by_args::ServedByArgs;
    use crate::commands::training_args::{DistillArgs, TrainingArgs};
    use crate::commands::transform_args::{PLACES, TransformArgs};
    use clap::{Args, Command};
    use dress_core::Basis;
    use std::collections::BTreeSet;

    fn given(words: &[&str]) -> Given {
        let command = PruneArgs::augment_args(Command::new("prune").no_binary_name(true));
        Given::of(&command.get_matches_from([&["--model", "m", "--out", "o"], words].concat()))
    }

    fn with(given: &Given, setting: &str) -> Result<Given, Error> {
        given.with(&setting.parse().unwrap(), "the row")
    }

    fn args(given: &Given) -> Result<(PruneArgs, Resolved), Error> {
        given.args("the row", Path::new("m"), Path::new("o"), 1)
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
        let planned = with(&base, "plan=/home/me/p.json").unwrap();
        assert_eq!(planned.published(), "--kept-only --lambda=3 --plan=p.json");
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
            args(&given).unwrap().1.remove(option)
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
            let (args, written) = args(given).unwrap();
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
        let said = with(&base, "lambda=much").unwrap_err().to_string();
        assert!(said.contains("the row") && said.contains("--lambda") && said.lines().count() == 1, "{said}");
        for (setting, missing) in [("gate-norms=count", "--gate <"), ("ratio=none", "--params <")] {
            let said = args(&with(&base, setting).unwrap()).unwrap_err().to_string();
            assert!(
                said.contains("row `the row`: the following required arguments") && said.contains(missing)
            );
        }
    }

    #[test]
    fn what_is_set_is_what_the_command_line_would_set() {
        let base = ["--axis", "ffn,heads", "--gate", "cosine", "--protect", "layers=0", "--ratio", "0.5"];
        for (settings, words) in [
            (&["ratio=0.25+0.5"][..], &["--ratio=0.25,0.5"][..]),
            (&["kept-only=on", "gate-norms=count"], &["--ratio=0.5", "--kept-only", "--gate-norms=count"]),
            (&["penalty-in-loss=on", "lambda=2"], &["--ratio=0.5", "--penalty-in-loss", "--lambda=2"]),
        ] {
            let changed = settings.iter().fold(given(&base), |given, setting| with(&given, setting).unwrap());
            let words = [&["--model", "m", "--out", "o", "--seed", "1"][..], &base[..6], words].concat();
            let command = PruneArgs::augment_args(Command::new("prune").no_binary_name(true));
            let matches = command.get_matches_from(words);
            let read = PruneArgs::from_arg_matches(&matches).unwrap();
            assert_eq!(format!("{:?}", args(&changed).unwrap().0), format!("{read:?}"), "{settings:?}");
            assert_eq!(changed.to_string(), Given::of(&matches).to_string());
        }
    }

    /// The options of a struct, without those of the structs that it takes in.
    fn own<A: Args>(taken_in: &[BTreeSet<String>]) -> BTreeSet<String> {
        let all = options_of::<A>();
        all.into_iter().filter(|id| taken_in.iter().all(|others| !others.contains(id))).collect()
    }

    fn options_of<A: Args>() -> BTreeSet<String> {
        let command = A::augment_args(Command::new("options"));
        command.get_arguments().map(|arg| arg.get_id().to_string()).collect()
    }

    #[test]
    fn every_option_is_in_the_groups_that_it_should_be_in() {
        let group = |name: &str| -> BTreeSet<String> {
            PRUNE_OPTIONS.of_group(name).into_iter().map(String::from).collect()
        };
        let places = own::<TransformArgs>(&[options_of::<CalibrationArgs>(), options_of::<CommonArgs>()]);
        assert_eq!(places, group(PLACES));
        assert_eq!(own::<CommonArgs>(&[options_of::<ComputeArgs>()]), group(OF_THE_COMMAND));
        let others = [options_of::<LoraArgs>(), options_of::<DistillArgs>(), options_of::<TrainingArgs>()];
        assert_eq!(own::<RegularizeArgs>(&others), group(REGULARIZES));
        let not_said: Vec<String> = own::<SelectArgs>(&[options_of::<ServedByArgs>()])
            .difference(&group(SAID_BY_A_PLAN))
            .cloned()
            .collect();
        // The rules of the target hold for what a plan says too.
        assert_eq!(not_said, ["target"]);
    }
}
