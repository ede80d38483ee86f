//! The `tradewind` program: one catalogue in, every channel out; every order, payment, parcel and customs
//! declaration back.
//!
//! This file parses the command line and hands over. Each command is one module of [`cmd`]; what they share
//! (exit codes, output, errors) is in [`output`].

mod cmd;
mod context;
mod files;
mod listen;
mod mask;
mod output;
mod registry;
mod side;
mod simulated;

use std::process::ExitCode;

use clap::Parser;

use crate::cmd::Command;
use crate::output::{Exit, Output};

/// Self-hosted cross-border marketplace integration gateway.
#[derive(Parser)]
#[command(name = "tradewind", version, about, long_about = None, max_term_width = 110)]
struct Cli {
    /// Print machine-readable JSON on standard output.
    #[arg(long, global = true)]
    json: bool,
    /// Say less: no progress, no hints, no warnings in the log.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more; twice for traces. Logs go to standard error.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // A wrong command line is a failure (1): 2 says that there are changes. Help and version are no failure.
        Err(told) if !told.use_stderr() => {
            let _ = told.print();
            return ExitCode::from(Exit::Ok.code());
        }
        Err(told) => {
            // What was wrong is not known to be anything but `--json`, which holds wherever it stands.
            if std::env::args_os().any(|a| a == "--json") {
                let said = told.render().to_string();
                let said = said.trim().trim_start_matches("error: ").to_owned();
                Output::new(true, false).error(&anyhow::Error::msg(said));
            } else {
                let _ = told.print();
            }
            return ExitCode::from(Exit::Failed.code());
        }
    };
    // One TLS provider in the tree; an error only says that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    init_logs(level(&cli));
    let out = Output::new(cli.json, cli.quiet);
    let exit = match cmd::run(cli.command, &out) {
        Ok(exit) => exit,
        Err(error) => {
            out.error(&error);
            Exit::of_error(&error)
        }
    };
    if tracing::enabled!(tracing::Level::INFO)
        && let Some(peak_kib) = peak_kib()
    {
        tracing::info!(peak_kib, exit = exit.code(), "done");
    }
    ExitCode::from(exit.code())
}

/// The most memory that this process ever had, as the kernel counted it; Linux tells.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// The least that is logged.
fn level(cli: &Cli) -> &'static str {
    match cli.verbose {
        // The demo's channels are disturbed on purpose: that a call of it failed is no news.
        0 if cli.quiet || matches!(cli.command, Command::Demo(_)) => "error",
        0 => "warn",
        1 => "info",
        _ => "debug",
    }
}

fn init_logs(default: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TRADEWIND_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    // Colours are for a terminal: a file or a pipe would hold their codes.
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}
