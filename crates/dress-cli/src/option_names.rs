//! Settings under the names that they have on the command line.

use clap::{Arg, Command};

/// `text` with every setting in backticks that is an option of `command` as that option: `` `seqlen` `` as `--seqlen`, and
/// `` `target = dress` `` as `--target dress`. Libraries name settings; what they are called here is known here.
pub(crate) fn as_options(text: &str, command: &Command) -> String {
    let mut said = String::new();
    let mut rest = text;
    while let Some((before, inside, after)) = next_quoted(rest) {
        said.push_str(before);
        match option(inside, command) {
            Some(option) => said.push_str(&option),
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
    let name = name.replace('_', "-");
    let argument = command.get_arguments().find(|argument| names(argument).contains(&name.as_str()))?;
    argument.get_long().map(|long| format!("--{long}{value}"))
}

/// Every name that an option has on the command line, hidden ones too, without the dashes before it.
pub(crate) fn names(option: &Arg) -> Vec<&str> {
    option.get_long().into_iter().chain(option.get_all_aliases().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_named_as_the_command_names_them() {
        let command = Command::new("prune")
            .args([Arg::new("seqlen").long("seqlen"), Arg::new("target").long("target")])
            .arg(Arg::new("share").long("distill").alias("distill-alpha"));
        let cases = [
            ("choose a smaller `seqlen`", "choose a smaller --seqlen"),
            ("give `target = dress` for it", "give --target dress for it"),
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
}
