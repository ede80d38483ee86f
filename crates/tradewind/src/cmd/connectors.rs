//! `tradewind connectors [NAME]`: the matrix, or one connector's settings.

use std::sync::Arc;

use async_trait::async_trait;
use tradewind_connector::{
    Facet, Factory, Runtime, Support, SystemClock, Transport, TransportError, WireRequest, WireResponse,
};

use crate::output::{self, Exit, Output};
use crate::registry::{self, CONNECTORS};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Show this connector: what it needs, an example of its settings, its quotas.
    name: Option<String>,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    match &args.name {
        Some(name) => one(registry::find(name)?, out)?,
        None if out.is_json() => {
            let all: Vec<_> = CONNECTORS.iter().map(|f| described(f)).collect();
            out.json(&all)?;
        }
        None => {
            let mut table = output::table();
            table.set_header(["connector", "name", "role", "covers"]);
            if table.width().is_none() {
                table.set_width(80);
            }
            for factory in CONNECTORS {
                let info = (factory.info)();
                let works = (factory.capabilities)()
                    .iter()
                    .filter(|(_, s)| s.works())
                    .map(|(f, _)| facet_name(f))
                    .collect::<Vec<_>>();
                let roles: Vec<String> = info.roles.iter().map(|r| format!("{r:?}").to_lowercase()).collect();
                table.add_row([factory.id.to_owned(), info.name, roles.join(", "), works.join(" ")]);
            }
            out.text(table.to_string())?;
        }
    }
    Ok(Exit::Ok)
}

fn one(factory: &Factory, out: &Output) -> anyhow::Result<()> {
    if out.is_json() {
        return out.json(&described(factory));
    }
    let info = (factory.info)();
    out.text(format!("{} — {}, API {}\n{}\n", factory.id, info.name, info.api_version, info.docs))?;
    out.text(format!("secrets: {}\n\nsettings:\n{}", factory.secrets.join(", "), factory.example.trim()))?;
    if (factory.capabilities)().support(Facet::Webhooks).works() {
        out.text("\nnotifications: tradewind listen, at /hooks/ACCOUNT; tradewind check shows the address to register")?;
    }
    Ok(())
}

fn described(factory: &Factory) -> serde_json::Value {
    let info = (factory.info)();
    let capabilities = (factory.capabilities)();
    let support: serde_json::Map<String, serde_json::Value> =
        capabilities.iter().map(|(f, s)| (facet_name(f), serde_json::json!(s))).collect();
    serde_json::json!({
        "id": factory.id, "name": info.name, "roles": info.roles, "api_version": info.api_version, "docs": info.docs,
        "support": support, "bounds": capabilities.bounds, "secrets": factory.secrets,
    })
}

/// The name of an ability as in files: `fee_estimates`.
pub(crate) fn facet_name(facet: Facet) -> String {
    serde_json::to_value(facet).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The generated matrix.
pub(crate) fn matrix() -> String {
    let mut text = String::from("| ability |");
    for factory in CONNECTORS {
        text.push_str(&format!(" {} |", factory.id));
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(CONNECTORS.len()));
    text.push('\n');
    for facet in Facet::ALL.into_iter().filter(|f| *f != Facet::Auth) {
        let cells: Vec<&str> = CONNECTORS
            .iter()
            .map(|f| match (f.capabilities)().support(facet) {
                Support::Native => "yes",
                Support::Emulated => "emulated",
                Support::NotImplemented => "not yet",
                Support::Unsupported => "–",
            })
            .collect();
        if cells.iter().all(|c| *c == "–") {
            continue;
        }
        text.push_str(&format!("| {} | {} |\n", facet_name(facet).replace('_', " "), cells.join(" | ")));
    }
    text
}

/// A network that is not there: opening an account makes no call, and `check` proves it.
struct Nowhere;

#[async_trait]
impl Transport for Nowhere {
    async fn send(&self, _: &WireRequest, _: std::time::Duration) -> Result<WireResponse, TransportError> {
        Err(TransportError { maybe_sent: false, message: "offline".to_owned() })
    }
}

/// A runtime without network, store or quota.
pub(crate) fn offline_runtime() -> Runtime {
    Runtime::in_memory(Arc::new(SystemClock), Arc::new(Nowhere))
}
