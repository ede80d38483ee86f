//! The menu of tasks. `cargo xtask` prints it. No dependencies: it must build in a second.

#![allow(clippy::print_stdout, clippy::print_stderr)] // a command-line tool talks to its terminal

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// What a task does, at the root of the checkout.
type Task = fn(&Path) -> Result<(), String>;

/// A step of a task: its name, and how.
type Step<'a> = (&'a str, &'a dyn Fn(&Path) -> Result<(), String>);

/// (name, what it does, how)
const TASKS: &[(&str, &str, Task)] = &[
    ("ci", "everything CI checks, in its order", ci),
    ("fmt", "format", |root| cargo(root, &["fmt", "--all"])),
    ("lint", "clippy with warnings denied", lint),
    ("test", "the README's test command", test),
    ("docs", "write the generated documents", |root| {
        cargo(root, &["run", "--quiet", "--package", "tradewind", "--", "docs"])
    }),
    ("deny", "licences, bans, sources (needs cargo-deny; installs it when missing)", deny),
    ("tidy", "house rules that no compiler knows", tidy),
    ("transcript", "run the demo in release and write its transcript into the README", transcript),
    ("demo", "the demo, in release", |root| cargo(root, &["run", "--release", "--", "demo"])),
    ("bench", "all benchmarks; see docs/performance.md", |root| cargo(root, &["bench", "--workspace"])),
];

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let Some((name, _, run)) = TASKS.iter().find(|(name, ..)| *name == wanted) else {
        println!("cargo xtask TASK\n");
        for (name, what, _) in TASKS {
            println!("  {name:<10} {what}");
        }
        return if wanted.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    match run(&root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask {name}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn ci(root: &Path) -> Result<(), String> {
    // Of this process alone: two checks that run at once count apart.
    let skips = std::env::temp_dir().join(format!("tradewind-skips-{}", std::process::id()));
    let file = skips.display().to_string();
    let counted = |root: &Path| cargo_with(root, TEST, &[("TRADEWIND_SKIPS", file.as_str())]);
    let steps: &[Step<'_>] = &[
        ("format", &|root| cargo(root, &["fmt", "--all", "--check"])),
        ("tidy", &tidy),
        ("clippy", &lint),
        // Runs unit, integration and documentation tests; the program's own tests check that the generated
        // documents are fresh.
        ("test", &counted),
        ("documentation", &|root| {
            cargo_with(
                root,
                &["doc", "--workspace", "--no-deps", "--quiet"],
                &[("RUSTDOCFLAGS", "-D warnings")],
            )
        }),
        ("deny", &deny),
    ];
    std::fs::write(&skips, "").map_err(|e| format!("{file}: {e}"))?;
    for (name, step) in steps {
        let start = Instant::now();
        println!("── {name}");
        step(root).map_err(|why| format!("{name}: {why}"))?;
        println!("── {name}: {} s", start.elapsed().as_secs());
    }
    let lines = std::fs::read_to_string(&skips).map_err(|e| format!("{file}: {e}"))?;
    let _ = std::fs::remove_file(&skips);
    println!("── {}", skipped(&lines));
    Ok(())
}

/// What tests went without, in one line. Each line of theirs is package, test and reason between tabs
/// (`crates/material`); a test that skips twice for one reason is one.
fn skipped(lines: &str) -> String {
    let told: BTreeSet<&str> = lines.lines().collect();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut tests: BTreeSet<&str> = BTreeSet::new();
    for line in told {
        let (test, why) = line.rsplit_once('\t').unwrap_or((line, line));
        tests.insert(test);
        *reasons.entry(why).or_default() += 1;
    }
    if tests.is_empty() {
        return "skipped: no test".to_owned();
    }
    let why: Vec<String> = reasons.iter().map(|(why, n)| format!("{n}: {why}")).collect();
    format!("skipped, wholly or in part: {} tests ({})", tests.len(), why.join("; "))
}

fn lint(root: &Path) -> Result<(), String> {
    cargo(root, &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
}

/// The README's test command.
const TEST: &[&str] = &["test", "--workspace"];

fn test(root: &Path) -> Result<(), String> {
    cargo(root, TEST)
}

fn deny(root: &Path) -> Result<(), String> {
    let present = Command::new("cargo")
        .args(["deny", "--version"])
        .current_dir(root)
        .output()
        .is_ok_and(|o| o.status.success());
    if !present {
        // A debug build takes a minute; nothing newer is taken without a change here.
        cargo(root, &["install", "--debug", "--locked", "--quiet", "cargo-deny@0.20.2"])?;
    }
    cargo(root, &["deny", "--log-level", "error", "check", "bans", "licenses", "sources"])
}

/// The README shows what the demo prints; a system test holds the two against each other.
fn transcript(root: &Path) -> Result<(), String> {
    const BEGIN: &str = "<!-- transcript: written by `cargo xtask transcript`; edits are overwritten -->\n";
    const END: &str = "<!-- /transcript -->";
    let output = Command::new("cargo")
        .args(["run", "--release", "--quiet", "--", "demo"])
        .current_dir(root)
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!("the demo is not clean:\n{}", String::from_utf8_lossy(&output.stdout)));
    }
    let path = root.join("README.md");
    let text = std::fs::read_to_string(&path).map_err(|e| e.to_string())?;
    let parts = text.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) = parts.ok_or("README.md has no transcript markers")?;
    let told = String::from_utf8_lossy(&output.stdout);
    let text =
        format!("{head}{BEGIN}```text\n$ cargo run --release -- demo\n{}\n```\n{END}{tail}", told.trim_end());
    std::fs::write(&path, text).map_err(|e| e.to_string())
}

fn cargo(root: &Path, args: &[&str]) -> Result<(), String> {
    cargo_with(root, args, &[])
}

fn cargo_with(root: &Path, args: &[&str], env: &[(&str, &str)]) -> Result<(), String> {
    let status = Command::new("cargo")
        .args(args)
        .envs(env.iter().copied())
        .current_dir(root)
        .status()
        .map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} failed", args.join(" "))) }
}

/// Rules of the house that no compiler knows: floors of the building, clients outside the pipeline, file length.
fn tidy(root: &Path) -> Result<(), String> {
    let mut problems = Vec::new();
    let mut files = Vec::new();
    for folder in ["crates", "connectors", "tests", "xtask"] {
        walk(&root.join(folder), &mut files);
    }
    for file in &files {
        let name = file.strip_prefix(root).unwrap_or(file).display().to_string();
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        if name.ends_with("Cargo.toml") {
            problems.extend(floors(&name, &text));
            continue;
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            problems.push(format!("{name}: {lines} lines, more than {MAX_LINES}: one idea per file"));
        }
        if !name.starts_with("crates/material/")
            && !name.starts_with("xtask/")
            && text.contains("\"skipped: ")
        {
            problems.push(format!(
                "{name}: says by itself that it is skipped: tradewind_material tells and counts it"
            ));
        }
        if name.starts_with("connectors/") && name.contains("/src/") {
            for word in
                ["reqwest::", "Timestamp::now", "SystemTime::now", "tokio::time::sleep", "thread::sleep"]
            {
                if text.contains(word) {
                    problems.push(format!(
                        "{name}: uses {word}: an adapter opens no socket, reads no clock, sleeps nowhere"
                    ));
                }
            }
        }
    }
    if problems.is_empty() {
        println!("{} files", files.len());
        return Ok(());
    }
    Err(format!("\n  {}", problems.join("\n  ")))
}

/// Files longer than this are split: no exception. The aim is 600; a file that grew by a test is not torn for it.
const MAX_LINES: usize = 700;

/// What each floor may stand on: the rows of the map in ARCHITECTURE.md.
fn floors(name: &str, text: &str) -> Vec<String> {
    let allowed: &[&str] = match name.trim_end_matches("/Cargo.toml") {
        "crates/domain" | "crates/simulator" | "crates/material" | "xtask" => &[],
        "crates/fx" | "crates/connector" => &["domain"],
        "crates/landed-cost" | "crates/ledger" => &["domain", "fx"],
        "crates/pricing" => &["domain", "fx"],
        "crates/testkit" => &["domain", "connector", "material"],
        "crates/store" => &["domain", "connector"],
        "crates/gateway" => &["domain", "fx", "landed-cost", "pricing", "ledger", "connector", "store"],
        path if path.starts_with("connectors/") => &["domain", "connector"],
        _ => return Vec::new(),
    };
    let dependencies = text.split("[dev-dependencies]").next().unwrap_or_default();
    dependencies
        .lines()
        .filter_map(|l| l.trim().strip_prefix("tradewind-"))
        .filter_map(|l| l.split(['.', ' ', '=']).next())
        .filter(|d| !allowed.contains(d))
        .map(|d| format!("{name}: depends on tradewind-{d}, which its floor does not allow"))
        .collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|n| n != "target") {
                walk(&path, files);
            }
        } else if path.extension().is_some_and(|e| e == "rs") || path.ends_with("Cargo.toml") {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn skips_are_counted_once_each_and_by_reason() {
        assert_eq!(super::skipped(""), "skipped: no test");
        let lines = "fx\tmonths\tno data\nfx\tdays\tno data\nfx\tdays\tno data\nledger\tbean\tbean-check is not installed\nledger\tbean\tno data\n";
        assert_eq!(
            super::skipped(lines),
            "skipped, wholly or in part: 3 tests (1: bean-check is not installed; 3: no data)"
        );
    }
}
