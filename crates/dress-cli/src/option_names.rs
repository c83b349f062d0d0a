//! What libraries name, under the names that it has on the command line.

use clap::{Arg, Command};

/// Settings whose option is called otherwise. One with a value is meant with it alone, and one with `=` with
/// any.
const OTHERWISE_CALLED: [(&str, &str); 9] = [
    ("axes", "axis"),
    ("compensation", "compensate"),
    ("criteria", "criterion"),
    ("local =", "local-inputs"),
    ("protected", "protect"),
    ("ratios", "ratio"),
    ("regularize = none", "no-regularize"),
    ("served_by", "for"),
    ("stock", "target"),
];

/// What a command does in the place of a library's function.
const COMMANDS: [(&str, &str); 9] = [
    ("Checkpoint::load", "without --stream"),
    ("PruneByParts::run", "`dress prune --layers`"),
    ("PruneJob::run", "`dress prune` without --stream and --layers"),
    ("Report::to_json", "`dress eval --out`"),
    ("Scorer::score", "`dress score` without --stream"),
    ("SlicePlan::new", "`dress score`"),
    ("keep_streams", "`dress stream` (--force replaces what is there)"),
    ("rotate_by_parts", "`dress rotate --stream`"),
    ("shapes_to_time", "`dress costs`"),
];

/// `text` with every setting in backticks that is an option of `command` as that option: `` `seqlen` `` as
/// `--seqlen`, and `` `stock = dress` `` as `--target dress`; and with what a command does in the place of a
/// function. Libraries name settings and functions; what they are called here is known here.
pub(crate) fn as_options(text: &str, command: &Command) -> String {
    let mut said = String::new();
    let mut rest = text;
    while let Some((before, inside, after)) = next_quoted(rest) {
        said.push_str(before);
        let known = COMMANDS.iter().find(|(function, _)| *function == inside);
        match known.map(|(_, does)| (*does).to_string()).or_else(|| option(inside, command)) {
            Some(own) => said.push_str(&own),
            None => said.extend(["`", inside, "`"]),
        }
        rest = after;
    }
    said.push_str(rest);
    said
}

/// What stands before, in and behind the next pair of backticks.
fn next_quoted(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('`')?;
    let (inside, after) = rest.split_once('`')?;
    Some((before, inside, after))
}

/// The option that a setting is given with, with its value if it has one.
fn option(setting: &str, command: &Command) -> Option<String> {
    let (name, value) = match setting.split_once(" = ") {
        Some((name, value)) => (name, format!(" {value}")),
        None => (setting, String::new()),
    };
    let called =
        |name: &str| OTHERWISE_CALLED.iter().find(|(other, _)| *other == name).map(|(_, option)| *option);
    if let Some(flag) = called(setting).filter(|_| !value.is_empty()) {
        return long_of(flag, command);
    }
    let with_any_value = called(&format!("{name} =")).filter(|_| !value.is_empty());
    let own = || long_of(&name.replace('_', "-"), command);
    let long = match with_any_value {
        Some(option) => long_of(option, command),
        None => own().or_else(|| long_of(called(name)?, command)),
    };
    long.map(|long| format!("{long}{value}"))
}

/// An option by one of its names, as it is given.
fn long_of(name: &str, command: &Command) -> Option<String> {
    let option = command.get_arguments().find(|argument| names(argument).contains(&name))?;
    option.get_long().map(|long| format!("--{long}"))
}

/// Every name that an option has on the command line, hidden ones too, without the dashes before it.
pub(crate) fn names(option: &Arg) -> Vec<&str> {
    option.get_long().into_iter().chain(option.get_all_aliases().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::commands::Cli;
    use clap::CommandFactory;
    use dress_core::Basis;
    use dress_prune::LocalError;
    use std::path::PathBuf;

    #[test]
    fn settings_are_named_as_the_command_names_them() {
        let command = Command::new("prune")
            .args([Arg::new("seqlen").long("seqlen"), Arg::new("target").long("target")])
            .arg(Arg::new("share").long("distill").alias("distill-alpha"));
        let cases = [
            ("choose a smaller `seqlen`", "choose a smaller --seqlen"),
            ("give `stock = dress` for it", "give --target dress for it"),
            ("`distill_alpha` is 2", "--distill is 2"),
            (
                "`max_new_tokens` and `model.norm.weight` stay",
                "`max_new_tokens` and `model.norm.weight` stay",
            ),
            ("an odd ` and `seqlen`", "an odd ` and `seqlen`"),
            ("no setting", "no setting"),
        ];
        for (text, expected) in cases {
            assert_eq!(as_options(text, &command), expected);
        }
    }

    /// A command of `dress`, by its name.
    fn command(name: &str) -> Command {
        Cli::command().find_subcommand(name).unwrap().clone()
    }

    #[test]
    fn what_is_called_otherwise_is_an_option_of_prune() {
        let prune = command("prune");
        for (setting, option) in OTHERWISE_CALLED {
            let text = match setting.strip_suffix('=') {
                Some(name) => format!("`{name}= dense`"),
                None => format!("`{setting}`"),
            };
            let expected =
                if setting.ends_with('=') { format!("--{option} dense") } else { format!("--{option}") };
            assert_eq!(as_options(&text, &prune), expected);
        }
        assert_eq!(as_options("give `local`, or `axes = ffn`", &prune), "give --local, or --axis ffn");
    }

    #[test]
    fn what_libraries_advise_is_said_as_what_the_command_has() {
        let (path, json) = (PathBuf::from("x"), || serde_json::from_str::<u8>("x").unwrap_err());
        let local = |error: LocalError| Error::Prune(error.into());
        let errors: [(Error, &str); 9] = [
            (dress_core::Error::NotByParts { criterion: "taylor".into() }.into(), "Scorer::score"),
            (
                dress_core::Error::PlanFormat { path: path.clone(), found: 1, expected: 2 }.into(),
                "SlicePlan::new",
            ),
            (dress_prune::Error::BasisOfPlan { basis: Basis::Pca }.into(), "rotate_by_parts"),
            (dress_prune::Error::NoTime { seconds: 0.0 }.into(), "shapes_to_time"),
            (local(LocalError::StreamsOfAnother { path: path.clone() }), "keep_streams"),
            (local(LocalError::NotByLayers { what: "a search".into() }), "PruneJob::run"),
            (dress::Error::LayersMissing { layers: vec![2] }.into(), "PruneByParts::run"),
            (dress_models::Error::NotStreamable { path: path.clone() }.into(), "Checkpoint::load"),
            (dress_eval::Error::ReportUnreadable { path, cause: json() }.into(), "Report::to_json"),
        ];
        for (error, function) in errors {
            let does = COMMANDS.iter().find(|(known, _)| *known == function).unwrap().1;
            assert!(error.to_string().contains(&format!("`{function}`")), "{error}");
            let said = error.with_cure(&command("prune"));
            assert!(said.contains(does) && !said.contains(function), "{said}");
        }
    }
}
