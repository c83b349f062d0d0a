//! `dress completions`.

use super::Cli;
use crate::{Error, print_line};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Options of `dress completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell to write them for; its manual says where they go.
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "dress", &mut script);
        print_line(String::from_utf8_lossy(&script).trim_end())
    }
}
