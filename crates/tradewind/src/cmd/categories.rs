//! `tradewind categories`: the channel's own categories by words, and what one of them asks for.

use tradewind_connector::role::{Category, CategoryAttribute};
use tradewind_domain::AccountId;
use tradewind_gateway::GatewayError;

use crate::context::{self, ConfigArg, block_on};
use crate::output::{self, Exit, Output};

/// Allowed values that are shown of an attribute; `--json` has them all.
const SHOWN: usize = 6;

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["words", "attributes"])))]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Account.
    #[arg(long, value_name = "ID")]
    channel: AccountId,
    /// Words of the category's name, in the channel's language.
    words: Vec<String>,
    /// Show what this category asks for, by the channel's id of it.
    #[arg(long, value_name = "CATEGORY_ID")]
    attributes: Option<String>,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let gateway = &opened.gateway;
    context::known(&gateway.config, &args.channel)?;
    let shown = match &args.attributes {
        Some(id) => block_on(async { Ok(gateway.category_attributes(&args.channel, id).await) })?
            .map(|found| attributes(id, &found, out)),
        None => {
            let words = args.words.join(" ");
            block_on(async { Ok(gateway.find_categories(&args.channel, &words).await) })?
                .map(|found| categories(args, &words, &found, out))
        }
    };
    match shown {
        Ok(done) => done.map(|()| Exit::Ok),
        Err(GatewayError::Channel(e)) => {
            out.error(&anyhow::Error::new(e));
            Ok(Exit::Channel)
        }
        Err(e) => Err(e.into()),
    }
}

fn categories(args: &Args, words: &str, found: &[Category], out: &Output) -> anyhow::Result<()> {
    if out.is_json() {
        return out.json(&found);
    }
    if found.is_empty() {
        return out.text(format!("no category of {} matches '{words}'", args.channel));
    }
    let mut table = output::table();
    table.set_header(["id", "category", ""]);
    for c in found {
        let note = if c.leaf { "" } else { "a group: takes no listings" };
        table.add_row([c.id.clone(), c.path.join(" › "), note.to_owned()]);
    }
    out.text(table.to_string())?;
    if let Some(c) = found.iter().find(|c| c.leaf) {
        out.note(format!(
            "in [account.offers] of {}: categories = {{ \"your category\" = \"{}\" }}; what it asks for: tradewind categories --channel {} --attributes {}",
            args.channel, c.id, args.channel, c.id
        ));
    }
    Ok(())
}

fn attributes(id: &str, found: &[CategoryAttribute], out: &Output) -> anyhow::Result<()> {
    if out.is_json() {
        return out.json(&found);
    }
    if found.is_empty() {
        return out.text(format!("category {id} asks for nothing"));
    }
    let mut table = output::table();
    table.set_header(["attribute", "", "values"]);
    for a in found {
        let required = if a.required { "required" } else { "" };
        table.add_row([a.name.clone(), required.to_owned(), values(&a.values)]);
    }
    out.text(table.to_string())
}

fn values(all: &[String]) -> String {
    match all.len() {
        0 => "free text".to_owned(),
        n if n > SHOWN => {
            format!("{} … ({n})", all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "))
        }
        _ => all.join(", "),
    }
}
