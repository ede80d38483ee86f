//! The `tradewind` program: one catalogue in, every channel out; every order, payment, parcel and customs
//! declaration back.
//!
//! This file parses the command line and hands over. Each command is one module of [`cmd`]; what they share
//! (exit codes, output, errors) is in [`output`].

mod cmd;
mod context;
mod listen;
mod mask;
mod output;
mod registry;
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
    /// Say less: no progress, no hints.
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
        Err(told) => {
            let _ = told.print();
            return ExitCode::from(if told.use_stderr() { Exit::Failed } else { Exit::Ok }.code());
        }
    };
    // One TLS provider in the tree; an error only says that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    init_logs(cli.verbose);
    let out = Output::new(cli.json, cli.quiet);
    let exit = match cmd::run(cli.command, &out) {
        Ok(exit) => exit,
        Err(error) => {
            out.error(&error);
            Exit::Failed
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

fn init_logs(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("TRADEWIND_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    // Colours are for a terminal: a file or a pipe would hold their codes.
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}
