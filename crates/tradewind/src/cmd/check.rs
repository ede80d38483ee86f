//! `tradewind check`: everything that can be known without a call.

use secrecy::SecretString;
use tradewind_gateway::Engines;
use tradewind_gateway::catalogue::Catalogue;

use crate::context::ConfigArg;
use crate::listen::{Told, door};
use crate::output::{Exit, Output};
use crate::registry;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let (config, folder) = args.config.load()?;
    let mut problems: Vec<String> = Vec::new();
    let mut hooks: Vec<Told> = Vec::new();
    for entry in &config.account {
        let (mut account, unread) = entry.resolve_each(&folder);
        let offline = crate::cmd::connectors::offline_runtime;
        let as_it_is = registry::find(&entry.connector).ok().map(|f| (f.open)(account.clone(), offline()));
        let connector = as_it_is.and_then(Result::ok);
        hooks.push(Told::of(&entry.id, door(&config, entry, connector.as_deref())));
        for (_, problem) in &unread {
            problems.push(format!("account '{}': {problem}", entry.id));
        }
        // A connector stops at the first secret that is missing. Each is told, and something put in its place, until all are
        // told and whatever else is wrong.
        let mut absent: Vec<String> = unread.into_iter().map(|(name, _)| name).collect();
        for name in &absent {
            account.secrets = account.secrets.with(name, SecretString::from("absent"));
        }
        loop {
            let opened = registry::find(&entry.connector).and_then(|factory| {
                (factory.open)(account.clone(), offline())?;
                Ok(())
            });
            let Err(e) = opened else { break };
            let missing = account.secrets.missed().into_iter().find(|name| !absent.contains(name));
            // What follows from a secret that is not there is no fault of its own.
            let text = format!("{e:#}");
            let follows = absent.iter().any(|name| text.contains(&format!("'{name}'")));
            if !follows {
                let causes: Vec<String> = e.chain().map(ToString::to_string).collect();
                let hint = registry::find(&entry.connector).map_or_else(
                    |_| String::new(),
                    |f| format!(" (what it needs: tradewind connectors {})", f.id),
                );
                problems.push(format!("account '{}': {}{hint}", entry.id, causes.join(": ")));
            }
            let Some(name) = missing else { break };
            account.secrets = account.secrets.with(&name, SecretString::from("absent"));
            absent.push(name);
        }
    }
    // Rule packs, exchange rates, goods facts and price book: refused here, not on the first plan.
    if let Err(e) = Engines::load(&config, &folder) {
        problems.push(e.to_string());
    }
    let (variants, warnings) = match Catalogue::load(&config.catalogue, &folder) {
        Ok(catalogue) => (catalogue.variants().len(), catalogue.warnings),
        Err(refused) => {
            problems.extend(refused.0.iter().map(ToString::to_string));
            (0, Vec::new())
        }
    };
    if out.is_json() {
        out.json(&serde_json::json!({
            "ok": problems.is_empty(), "accounts": config.account.len(), "variants": variants,
            "problems": problems, "hooks": hooks, "warnings": warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?;
    } else {
        for warning in &warnings {
            out.text(format!("warn  {warning}"))?;
        }
        for problem in &problems {
            out.text(format!("error {problem}"))?;
        }
        for told in &hooks {
            out.text(format!("hooks {}", told.line()))?;
        }
        if problems.is_empty() {
            out.text(format!("ok    configuration · {variants} SKUs · {} accounts", config.account.len()))?;
        }
    }
    Ok(if problems.is_empty() { Exit::Ok } else { Exit::Blocked })
}
