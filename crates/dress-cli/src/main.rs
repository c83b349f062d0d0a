//! The `dress` command.

use clap::{Command, CommandFactory, FromArgMatches};
use dress_cli::commands::Cli;
use dress_cli::{
    Error, JsonEvents, LogFormat, prepare_signals, print_line, said_error, tell, with_settings_file,
};
use dress_machine::memory;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: dress_machine::HugePages = dress_machine::HugePages;

fn main() -> ExitCode {
    // Before anything starts a thread.
    memory::keep_freed();
    prepare_signals();
    let words: Vec<OsString> = std::env::args_os().collect();
    let named = words.clone();
    let command = Cli::command();
    let words = match with_settings_file(words, &command) {
        Ok(words) => words,
        Err(error) => return failed(&error, &named),
    };
    let parsed = Cli::described(command, &words).try_get_matches_from(words);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(said) => return shown(&said, &named),
    };
    let level = ["warn,dress::resume=info", "info", "debug"][usize::from(cli.verbose.min(2))];
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    cli.log_format.set();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let log = log.log_internal_errors(false);
    match cli.log_format {
        LogFormat::Json => log.event_format(JsonEvents).init(),
        LogFormat::Text => {
            log.with_ansi(std::io::stderr().is_terminal()).without_time().with_target(false).init();
        }
    }
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, &named),
    }
}

/// The subcommand that the words name, or the whole command.
fn subcommand(words: &[OsString]) -> Command {
    let whole = Cli::command();
    let named = words.iter().skip(1).find_map(|word| whole.find_subcommand(word)).cloned();
    named.unwrap_or(whole)
}

/// Says an error as it was asked for: with `--json` as one object, whose key is `error`.
fn say_error(text: &str, words: &[OsString]) {
    match words.iter().any(|word| word == "--json") {
        true => tell(&serde_json::json!({ "error": text }).to_string()),
        false => tell(&said_error(text)),
    }
}

/// Says what went wrong with what the words asked for.
fn failed(error: &Error, words: &[OsString]) -> ExitCode {
    // A cell that another process has is no error of the study that wanted it.
    let is_cell = words.iter().any(|word| word == "--cell");
    if !(is_cell && error.exit_code() == Error::LOCKED) {
        say_error(&error.with_cure(&subcommand(words)), words);
    }
    ExitCode::from(error.exit_code())
}

/// Shows help, the version, or what is wrong with the options.
fn shown(said: &clap::Error, words: &[OsString]) -> ExitCode {
    if said.use_stderr() {
        let text = said.to_string();
        match words.iter().any(|word| word == "--json") {
            true => say_error(text.trim().trim_start_matches("error: "), words),
            false => _ = said.print(),
        }
        return ExitCode::from(u8::try_from(said.exit_code()).unwrap_or(2));
    }
    let text = said.render();
    let text = if std::io::stdout().is_terminal() { text.ansi().to_string() } else { text.to_string() };
    match print_line(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, words),
    }
}
