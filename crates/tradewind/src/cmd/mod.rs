//! The commands, one module each. A module has `Args` (clap) and `run(args, out) -> Result<Exit>`; a new
//! command is a module and one line in each of the two lists below.

mod completions;

use clap::Subcommand;

use crate::output::{Exit, Output};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print a shell completion script.
    Completions(completions::Args),
}

pub(crate) fn run(command: Command, out: &Output) -> anyhow::Result<Exit> {
    match command {
        Command::Completions(args) => completions::run(&args, out),
    }
}
