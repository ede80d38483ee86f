//! `tradewind completions SHELL`: the script, or with `--json` the script as a text in JSON.

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
    let script = String::from_utf8_lossy(&script);
    if out.is_json() {
        out.json(&serde_json::json!({"shell": args.shell.to_string(), "script": script}))?;
    } else {
        out.text(script.trim_end())?;
    }
    Ok(Exit::Ok)
}
