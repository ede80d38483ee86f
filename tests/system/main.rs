//! Whole-system tests: the real binary, over real sockets, on real files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a panic is the failure report

mod ask;
mod bad_input;
mod cases;
mod demo;
mod duty;
mod estimate;
mod exits;
mod kill;
mod listen;
mod login;
mod pricing;
mod program;
mod quote;
mod reconcile;
mod shop;

use std::path::Path;
use std::process::{Command, Output};

/// Runs the program in a folder.
pub(crate) fn tradewind(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tradewind"))
        .current_dir(folder)
        .args(args)
        .output()
        .expect("the program runs")
}

/// Its standard output as JSON.
pub(crate) fn json(output: &Output) -> serde_json::Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {text} {}", String::from_utf8_lossy(&output.stderr)))
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
