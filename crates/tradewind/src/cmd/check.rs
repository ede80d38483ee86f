//! `tradewind check`: everything that can be known without a call. Exit 3: there are problems, in whatever file or in the audit
//! chain of the store; 1: there is no configuration to check.

use std::collections::BTreeSet;
use std::path::Path;

use secrecy::SecretString;
use serde_json::{Value, json};
use tradewind_connector::{HttpTransport, Role};
use tradewind_gateway::Engines;
use tradewind_gateway::catalogue::{Catalogue, Problem};
use tradewind_gateway::config::{Config, ConfigError};
use tradewind_gateway::records::OfferRecord;
use tradewind_gateway::untended::untended;
use tradewind_store::{Filter, Store as _, typed};

use crate::context::{self, ConfigArg, block_on};
use crate::listen::{Told as Hook, door};
use crate::output::{self, Exit, Output};
use crate::registry;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let (config, folder) = match args.config.load() {
        Ok(loaded) => loaded,
        // A mistake in the configuration is what was looked for, as one in any other file.
        Err(e) if matches!(e.downcast_ref(), Some(ConfigError::Invalid { .. })) => {
            let found = Found { problems: vec![Told::of(&e)], ..Found::default() };
            return found.tell(out);
        }
        Err(e) => return Err(e),
    };
    let mut problems: Vec<Told> = roles(&config).into_iter().map(|e| Told::of(&e.into())).collect();
    let mut hooks: Vec<Hook> = Vec::new();
    for entry in &config.account {
        let (mut account, unread) = entry.resolve_each(&folder);
        let offline = crate::cmd::connectors::offline_runtime;
        // Of a connector that there is not only that is told.
        if let Ok(factory) = registry::find(&entry.connector) {
            let connector = factory.opened(account.clone(), offline()).ok();
            hooks.push(Hook::of(&entry.id, door(&config, entry, connector.as_deref())));
        }
        let mut absent: Vec<String> = Vec::new();
        for (name, problem) in unread {
            let said = format!("account '{}': {problem}", entry.id);
            problems.push(Told { said, ..Told::of(&problem.into()) });
            absent.push(name);
        }
        let network = entry.network(&folder, &account.secrets).map_err(anyhow::Error::from).and_then(|n| {
            let clock = offline().clock;
            n.map_or(Ok(()), |n| Ok(HttpTransport::over(clock, &n).map(drop)?))
        });
        // A secret that could not be read is told already.
        if let Err(e) = network
            && !absent.iter().any(|name| e.to_string().contains(&format!("'{name}'")))
        {
            problems.push(Told::plain(format!("account '{}': {e:#}", entry.id)));
        }
        // A connector stops at the first secret that is missing. Each is told, and something put in its place, until all are
        // told and whatever else is wrong.
        for name in &absent {
            account.secrets = account.secrets.with(name, SecretString::from("absent"));
        }
        loop {
            let opened = registry::find(&entry.connector).and_then(|factory| {
                factory.opened(account.clone(), offline())?;
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
                let said = format!("account '{}': {}{hint}", entry.id, causes.join(": "));
                problems.push(Told::of(&config.mistake_of(&entry.id, said).into()));
            }
            let Some(name) = missing else { break };
            account.secrets = account.secrets.with(&name, SecretString::from("absent"));
            absent.push(name);
        }
    }
    // Rule packs, exchange rates, goods facts and price book: refused here, not on the first plan.
    if let Err(e) = Engines::load(&config, &folder) {
        problems.push(Told::of(&e.into()));
    }
    let (variants, mut warnings) = match Catalogue::load(&config.catalogue, &folder) {
        Ok(catalogue) => {
            let mut warnings = categories(&config, &catalogue);
            warnings.extend(catalogue.warnings.iter().cloned());
            (catalogue.variants().len(), warnings)
        }
        Err(refused) => {
            problems.extend(refused.0.iter().map(|p| Told { said: p.to_string(), fields: row(p) }));
            (0, Vec::new())
        }
    };
    let stored = stored(&config, &folder);
    warnings.extend(stored.warnings);
    if let Some(Err(entry)) = stored.audit {
        let store = folder.join(&config.store.path);
        problems.push(Told::plain(format!(
            "the audit chain of {} is broken at entry {entry}: that entry was changed, or one before it taken away, by something else than this program. Entries before it are as they were written; what stands from there on is not proven. Keep a copy of the file, and compare it with the newest backup on which check finds the chain whole. Do not trade on with that backup: what was sent since would be sent again",
            store.display()
        )));
    }
    Found { accounts: config.account.len(), variants, problems, hooks, warnings, audit: stored.audit }
        .tell(out)
}

/// What was found.
#[derive(Default)]
struct Found {
    accounts: usize,
    variants: usize,
    problems: Vec<Told>,
    hooks: Vec<Hook>,
    warnings: Vec<Problem>,
    audit: Option<Result<u64, u64>>,
}

impl Found {
    fn tell(&self, out: &Output) -> anyhow::Result<Exit> {
        let Found { accounts, variants, problems, hooks, warnings, audit } = self;
        if out.is_json() {
            out.json(&json!({
                "ok": problems.is_empty(), "accounts": accounts, "variants": variants,
                "problems": problems.iter().map(|p| &p.fields).collect::<Vec<_>>(), "hooks": hooks,
                "warnings": warnings.iter().map(row).collect::<Vec<_>>(),
                // Null: there is no store yet, or none that can be read.
                "audit": audit.map(|chain| match chain {
                    Ok(entries) => json!({ "whole": true, "entries": entries }),
                    Err(entry) => json!({ "whole": false, "broken_at": entry }),
                }),
            }))?;
        } else {
            for warning in warnings {
                out.text(format!("warn  {warning}"))?;
            }
            for problem in problems {
                out.text(format!("error {}", problem.said))?;
            }
            for told in hooks {
                out.text(format!("hooks {}", told.line()))?;
            }
            if let Some(Ok(entries)) = audit {
                out.text(format!("audit {entries} entries, chain whole"))?;
            }
            if problems.is_empty() {
                out.text(format!("ok    configuration · {variants} SKUs · {accounts} accounts"))?;
            }
        }
        Ok(if problems.is_empty() { Exit::Ok } else { Exit::Blocked })
    }
}

/// A problem, for a person and for a program.
struct Told {
    said: String,
    /// `message`, and `file`, `line`, `column` and `field` as far as they are known.
    fields: Value,
}

impl Told {
    fn of(error: &anyhow::Error) -> Told {
        let said = error.to_string();
        // Of several places the first: the message names them all.
        let mut fields = output::places(error).into_iter().next().map_or_else(|| json!({}), Value::from);
        fields["message"] = said.as_str().into();
        Told { said, fields }
    }

    fn plain(said: String) -> Told {
        Told { fields: json!({ "message": said }), said }
    }
}

fn row(p: &Problem) -> Value {
    output::row(p).into()
}

/// Accounts that are named for what they cannot do.
fn roles(config: &Config) -> Vec<ConfigError> {
    let mut named = Vec::new();
    if let Some(shipping) = &config.shipping {
        named.push(("shipping.carrier".to_owned(), &shipping.carrier, Role::Logistics, "carrier"));
        let customs = shipping.customs.iter();
        named.extend(
            customs.map(|(to, id)| (format!("shipping.customs.{to}"), id, Role::Customs, "customs system")),
        );
    }
    let selling = config.account.iter().enumerate().filter(|(_, a)| a.offers.is_some());
    named.extend(
        selling.map(|(n, a)| (format!("account.{n}.offers"), &a.id, Role::Marketplace, "marketplace")),
    );
    let wrong = named.into_iter().filter_map(|(at, id, role, what)| {
        let entry = config.account.iter().find(|a| a.id == *id)?;
        let factory = registry::find(&entry.connector).ok()?;
        if (factory.info)().roles.contains(&role) {
            return None;
        }
        let able = registry::CONNECTORS.iter().filter(|f| (f.info)().roles.contains(&role));
        let able: Vec<&str> = able.map(|f| f.id).collect();
        let message = format!(
            "account '{id}' is no {what}: it is of the connector {}; there are {}",
            entry.connector,
            able.join(", ")
        );
        Some(config.mistake(&at, message))
    });
    wrong.collect()
}

/// What the store tells.
#[derive(Default)]
struct Stored {
    warnings: Vec<Problem>,
    /// Entries of the audit chain, or the first that does not fit. `None`: there is no store, or it cannot be read.
    audit: Option<Result<u64, u64>>,
}

fn stored(config: &Config, folder: &Path) -> Stored {
    let path = folder.join(&config.store.path);
    // A shop that has done nothing yet has no store, and this makes none.
    if !path.exists() {
        return Stored::default();
    }
    let read = block_on(async {
        let store = context::open_store(config, folder)?;
        let audit = store.verify_audit().await?;
        Ok((audit, typed::list::<OfferRecord>(&*store, Filter::all()).await?))
    });
    match read {
        Ok((audit, offers)) => {
            let offers = offers.iter().map(|o| &o.value);
            Stored { warnings: on_sale(config, offers), audit: Some(audit) }
        }
        Err(e) => {
            let message = format!(
                "the store cannot be read, so neither its audit chain nor what is on sale was looked at: {e:#}"
            );
            Stored { warnings: vec![whole(path.display().to_string(), message)], audit: None }
        }
    }
}

fn whole(file: String, message: String) -> Problem {
    Problem { file, row: 0, field: String::new(), message }
}

/// What is on sale, as far as the store knows, at accounts that do not sell any more: it goes on selling, and nobody lowers it.
fn on_sale<'a>(config: &Config, offers: impl Iterator<Item = &'a OfferRecord>) -> Vec<Problem> {
    let told = untended(config, offers).into_iter().map(|found| {
        let n = config.account.iter().position(|a| a.id == found.account);
        let place = config.places.find(&n.map_or_else(|| "account".to_owned(), |n| format!("account.{n}")));
        let row = n.and_then(|_| u64::try_from(place.line).ok()).unwrap_or_default();
        Problem { row, ..whole(place.path, found.to_string()) }
    });
    told.collect()
}

/// Categories of offer rules that no product of the catalogue has: a misspelt one offers nothing.
fn categories(config: &Config, catalogue: &Catalogue) -> Vec<Problem> {
    let known: BTreeSet<&str> = catalogue.products.values().filter_map(|p| p.category.as_deref()).collect();
    let mut told = Vec::new();
    for (n, rules) in config.account.iter().enumerate().filter_map(|(n, a)| Some((n, a.offers.as_ref()?))) {
        let only = rules.only.iter().enumerate().map(|(i, name)| (format!("only.{i}"), name));
        let mapped = rules.categories.keys().filter(|name| *name != "*");
        let mapped = mapped.map(|name| (format!("categories.{name}"), name));
        for (field, name) in only.chain(mapped).filter(|(_, name)| !known.contains(name.as_str())) {
            let place = config.places.find(&format!("account.{n}.offers.{field}"));
            let all: Vec<&str> = known.iter().copied().take(20).collect();
            let more = if known.len() > all.len() { ", ..." } else { "" };
            told.push(Problem {
                file: place.path,
                row: u64::try_from(place.line).unwrap_or_default(),
                field: field.split('.').next().unwrap_or_default().to_owned(),
                message: format!(
                    "no product of the catalogue is in category '{name}': its categories are {}{more}",
                    all.join(", ")
                ),
            });
        }
    }
    told
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a panic is the failure report

    use tradewind_store::{Batch, Store};

    use super::*;

    #[test]
    fn what_is_on_sale_at_accounts_that_sell_no_more_is_told() {
        let dir = tempfile::tempdir().unwrap();
        // `silent` begins on line 6: its [account.offers] was taken out. `gone` is not here at all.
        let text = r#"[[account]]
id = "shop"
connector = "amazon"
[account.offers]
currency = "EUR"
[[account]]
id = "silent"
connector = "amazon"
"#;
        let config = Config::parse(text, "tradewind.toml").unwrap();
        assert_eq!(stored(&config, dir.path()).warnings, []);
        assert!(!dir.path().join(&config.store.path).exists(), "looking makes no store");
        let offer = json!({"sku": "A", "product": "A", "quantity": 3, "price": {"amount": "36.00", "currency": "EUR"}, "locale": "en",
            "content": {"title": "A"}});
        let record = |account: &str, sku: &str, ours: bool, state: &str| -> OfferRecord {
            let desired = if ours { offer.clone() } else { Value::Null };
            serde_json::from_value(json!({"account": account, "sku": sku, "desired": desired, "state": "live", "plan": "", "listing": null,
                "read_at": "2026-08-01T10:00:00Z", "note": null, "live": {"sku": sku, "state": state, "quantity": 3, "issues": []}}))
            .unwrap()
        };
        let store = context::open_store(&config, dir.path()).unwrap();
        let mut batch = Batch::new();
        for (account, sku, ours, state) in [
            ("shop", "A", true, "live"),
            ("silent", "A", true, "live"),
            ("silent", "B", true, "pending"),
            // Found there, and off sale.
            ("silent", "C", false, "live"),
            ("silent", "D", true, "inactive"),
            ("gone", "A", true, "live"),
            ("gone", "B", true, "absent"),
        ] {
            batch.put(&record(account, sku, ours, state)).unwrap();
        }
        block_on(async { Ok(store.commit(batch).await?) }).unwrap();
        let told: Vec<String> =
            stored(&config, dir.path()).warnings.iter().map(ToString::to_string).collect();
        let [gone, silent] = &told[..] else { panic!("{told:?}") };
        assert!(
            gone.starts_with(
                "tradewind.toml: account 'gone' is not in the configuration any more, and 1 listings"
            ),
            "{gone}"
        );
        let begins = "tradewind.toml:6: account 'silent' has no [account.offers] any more, and 2 listings";
        assert!(silent.starts_with(begins), "{silent}");
        // A store that cannot be read hides nothing.
        drop(store);
        std::fs::write(dir.path().join(&config.store.path), "no store").unwrap();
        let told = stored(&config, dir.path());
        assert_eq!(told.audit, None);
        let told = told.warnings;
        assert!(told.len() == 1 && told[0].message.contains("cannot be read"), "{told:?}");
    }
}
