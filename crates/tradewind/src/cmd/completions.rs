//! `tradewind completions SHELL`.

use clap::CommandFactory;

use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shell to complete for.
    shell: clap_complete::Shell,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "tradewind", &mut script);
    out.text(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}
