//! `tradewind login`: the seller agrees on the channel's page, and its answer becomes tokens in the store.

use std::io::{BufRead as _, Read as _};

use anyhow::{Context as _, bail};
use tradewind_connector::{ConsentAnswer, ExposeSecret as _, SecretString};
use tradewind_domain::AccountId;

use crate::context::{self, ConfigArg, block_on};
use crate::output::{Exit, Output};

/// The longest answer that is read: an address with a code of 2 kB in it, and room.
const LONGEST: u64 = 16 * 1024;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Account.
    #[arg(value_name = "ACCOUNT")]
    account: AccountId,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let gateway = &opened.gateway;
    context::known(&gateway.config, &args.account)?;
    let account = gateway.accounts.get(&args.account).context("the account is not open")?;
    let pipeline = account.pipeline();
    let Some(consent) = pipeline.consent()? else {
        bail!(
            "account '{}' has no page to agree on: its secrets come from the channel's console (tradewind connectors {})",
            args.account,
            account.info().id
        );
    };
    Output::ask(format!(
        "Open this page where you are signed in as the seller, agree, and paste the address that it leads to (it need not load):\n\n{}\n",
        consent.page
    ));
    let text = answer()?;
    let answer = ConsentAnswer::read(text.expose_secret(), &consent.state)?;
    let done = match block_on(async { Ok(pipeline.login(&answer).await) })? {
        Ok(done) => done,
        Err(error) => {
            out.error(&anyhow::Error::new(error));
            return Ok(Exit::Channel);
        }
    };
    if out.is_json() {
        out.json(&serde_json::json!({
            "account": args.account, "login_until": done.login_until, "told": done.extra,
        }))?;
        return Ok(Exit::Ok);
    }
    let who = done.extra.get("seller").map(|seller| format!(" as {seller}")).unwrap_or_default();
    out.text(format!("{} is logged in{who}; the tokens are in the store, sealed", args.account))?;
    if let Some(until) = done.login_until {
        out.text(format!(
            "the consent ends on {}: log in again before",
            until.to_zoned(jiff::tz::TimeZone::UTC).date()
        ))?;
    }
    Ok(Exit::Ok)
}

/// One line of standard input.
fn answer() -> anyhow::Result<SecretString> {
    let mut line = String::new();
    std::io::stdin().lock().take(LONGEST).read_line(&mut line).context("standard input")?;
    if line.trim().is_empty() {
        bail!("nothing was pasted: run the command again");
    }
    Ok(SecretString::from(line))
}
