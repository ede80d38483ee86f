//! `tradewind init`: a configuration with the schema for editors, a catalogue and a price book to start from. Never overwrites.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use tradewind_gateway::config::Config;

use crate::files;
use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder to write into.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

const CONFIG: &str = include_str!("../../templates/tradewind.toml");
const CATALOGUE: &str = include_str!("../../templates/catalogue.csv");
const PRICES: &str = include_str!("../../templates/prices.toml");

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let schema = serde_json::to_string_pretty(&Config::schema())? + "\n";
    let files = [
        ("tradewind.toml", CONFIG),
        ("tradewind.schema.json", schema.as_str()),
        ("catalogue.csv", CATALOGUE),
        ("prices.toml", PRICES),
    ];
    std::fs::create_dir_all(&args.folder)
        .with_context(|| format!("{} cannot be made", args.folder.display()))?;
    // All or nothing: look before writing.
    for (name, _) in files {
        let path = args.folder.join(name);
        if path.exists() {
            bail!("{} exists already: choose an empty folder, nothing was written", path.display());
        }
    }
    for (name, text) in files {
        let path = args.folder.join(name);
        files::replace(&path, text.as_bytes())
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if out.is_json() {
        out.json(&serde_json::json!({"written": files.map(|(name, _)| name)}))?;
    } else {
        out.text(format!(
            "wrote tradewind.toml, its schema for editors, catalogue.csv and prices.toml in {}",
            args.folder.display()
        ))?;
        out.note("next: tradewind check && tradewind import && tradewind plan");
    }
    Ok(Exit::Ok)
}
