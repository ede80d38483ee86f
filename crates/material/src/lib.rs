//! Material that some tests read and that is not part of the project: sample data and official specifications, in `../shared`
//! beside the workspace, or where `TRADEWIND_DATA` and `TRADEWIND_SPECS` say. Where it is absent a test, or a part of one, is
//! *skipped with a reason*, never passed in silence: [`skipped`] says so, and `cargo xtask ci` counts.

#![allow(clippy::print_stdout, clippy::panic)] // it speaks in tests

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

/// Names the file to which every skip adds a line; not set: none is written.
pub const SKIPS: &str = "TRADEWIND_SKIPS";

/// The folder of sample data.
///
/// # Errors
/// The reason, for [`skipped`].
pub fn data() -> Result<PathBuf, String> {
    folder("TRADEWIND_DATA", "data")
}

/// The folder of official specifications.
///
/// # Errors
/// The reason, for [`skipped`].
pub fn specs() -> Result<PathBuf, String> {
    folder("TRADEWIND_SPECS", "specs")
}

/// The text of a file of sample data; `None`: it is not there, which is told.
#[must_use]
pub fn sample(path: &str) -> Option<String> {
    found(data().and_then(|data| {
        std::fs::read_to_string(data.join(path)).map_err(|e| format!("{path} of the sample data: {e}"))
    }))
}

/// What was looked for; `None`: it is not there, which is told.
pub fn found<T>(looked_for: Result<T, String>) -> Option<T> {
    looked_for.inspect_err(|why| skipped(why)).ok()
}

fn folder(variable: &str, name: &str) -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os(variable) {
        let given = PathBuf::from(given);
        return if given.is_dir() {
            Ok(given)
        } else {
            Err(format!("{variable} names {}, which is no folder", given.display()))
        };
    }
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(name);
    if beside.is_dir() {
        Ok(beside)
    } else {
        Err(format!("{variable} is not set and ../shared/{name} does not exist"))
    }
}

/// Tells that the test that runs, or a part of it, is skipped, and why: on its output, and in the file that [`SKIPS`] names, as
/// package, test and reason between tabs.
///
/// # Panics
/// The file cannot be written: the count would be wrong.
pub fn skipped(why: &str) {
    println!("skipped: {why}");
    let Some(file) = std::env::var_os(SKIPS) else { return };
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    // The harness names the thread of a test after it.
    let thread = std::thread::current();
    let line = line(&package, thread.name().unwrap_or_default(), why);
    let file = PathBuf::from(file);
    // One write of a short line in append mode: tests of several processes do not cut each other's.
    let written = OpenOptions::new().append(true).create(true).open(&file);
    if let Err(e) = written.and_then(|mut f| f.write_all(line.as_bytes())) {
        panic!("{SKIPS}: {}: {e}", file.display());
    }
}

fn line(package: &str, test: &str, why: &str) -> String {
    format!("{package}\t{test}\t{}\n", why.replace(['\t', '\n'], " "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_skip_is_one_line_of_three_parts() {
        assert_eq!(super::line("fx", "a::b", "no\tfile:\nnone"), "fx\ta::b\tno file: none\n");
    }

    #[test]
    fn what_is_absent_says_which_variable_names_it() {
        let why = super::folder("TRADEWIND_NO_SUCH", "no such folder").unwrap_err();
        assert_eq!(why, "TRADEWIND_NO_SUCH is not set and ../shared/no such folder does not exist");
    }
}
