//! `tradewind pickup`: couriers for parcels that are booked and not handed over.

use clap::Subcommand;
use jiff::Timestamp;
use tradewind_domain::AccountId;
use tradewind_gateway::pickups::{Ordered, PickupRecord};
use tradewind_gateway::{Gateway, GatewayError};

use crate::cmd::cases::minute;
use crate::context::{self, ConfigArg, block_on, watched};
use crate::output::{self, Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Parcels that wait and pickups that were ordered; also what `pickup` alone does.
    List,
    /// Order a courier for the parcels that wait; needs `access = "read-write"` at the carrier's account.
    Book {
        /// From when they can be fetched: an instant with its offset, such as 2026-03-03T14:00:00+08:00.
        #[arg(long, value_name = "INSTANT")]
        ready: Timestamp,
        /// Until when; most carriers want the same day.
        #[arg(long, value_name = "INSTANT")]
        until: Timestamp,
        /// Only of this carrier account.
        #[arg(long, value_name = "ID")]
        carrier: Option<AccountId>,
    },
    /// Call a booked pickup off.
    Cancel {
        /// Its name: P1, P2 ...
        id: String,
        /// Why, as the carrier is told.
        #[arg(long, default_value = "not needed any more")]
        reason: String,
    },
    /// Say what the carrier told you of a pickup whose answer was lost: it is not ordered twice by itself.
    #[command(group(clap::ArgGroup::new("told").required(true).args(["confirmation", "none"])))]
    Settle {
        /// Its name: P1, P2 ...
        id: String,
        /// The carrier has it, under this number.
        #[arg(long, value_name = "NUMBER")]
        confirmation: Option<String>,
        /// The carrier does not have it: its parcels wait again.
        #[arg(long)]
        none: bool,
    },
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let gateway = &opened.gateway;
    context::note_no_account(out, &gateway.config);
    match &args.what {
        None | Some(What::List) => list(gateway, out),
        Some(What::Book { ready, until, carrier }) => {
            if let Some(carrier) = carrier {
                context::known(&gateway.config, carrier)?;
            }
            let done = block_on(watched(out, gateway, "ordering couriers", async {
                Ok(gateway.order_pickups(carrier.as_ref(), *ready, *until).await?)
            }))?;
            booked(&done, out)
        }
        Some(What::Cancel { id, reason }) => {
            let done = block_on(async { Ok(gateway.cancel_pickup(id, reason).await) })?;
            changed(done, out)
        }
        Some(What::Settle { id, confirmation, .. }) => {
            let done = block_on(async { Ok(gateway.settle_pickup(id, confirmation.clone()).await) })?;
            changed(done, out)
        }
    }
}

fn list(gateway: &Gateway, out: &Output) -> anyhow::Result<Exit> {
    let (pickups, waiting) =
        block_on(async { Ok((gateway.pickups().await?, gateway.waiting_for_courier().await?)) })?;
    let now = gateway.now();
    let doubtful = pickups.iter().filter(|p| p.is_in_doubt(now)).count();
    if out.is_json() {
        let parcels: Vec<_> = waiting
            .iter()
            .flat_map(|(account, all)| all.iter().map(move |s| (account, s)))
            .map(|(account, s)| {
                let waybill = s.booked.as_ref().map(|b| b.waybill.to_string());
                serde_json::json!({"account": account, "shipment": s.request.id, "order": s.order, "waybill": waybill})
            })
            .collect();
        out.json(&serde_json::json!({"waiting": parcels, "pickups": pickups}))?;
    } else {
        if !pickups.is_empty() {
            out.text(table(&pickups).to_string())?;
        }
        for (account, parcels) in &waiting {
            out.text(format!("{} parcels of {account} wait for a courier", parcels.len()))?;
        }
        if waiting.is_empty() {
            out.text("no parcel waits for a courier")?;
        }
    }
    Ok(if doubtful > 0 { Exit::Blocked } else { Exit::Ok })
}

fn booked(done: &Ordered, out: &Output) -> anyhow::Result<Exit> {
    if out.is_json() {
        out.json(done)?;
    } else {
        for note in &done.notes {
            out.note(note);
        }
        if done.pickups.is_empty() {
            out.text("no parcel waits for a courier")?;
        } else {
            out.text(table(&done.pickups).to_string())?;
        }
    }
    Ok(if done.unknown > 0 { Exit::Blocked } else { Exit::of_failures(done.failed, done.asked, false) })
}

fn changed(done: Result<PickupRecord, GatewayError>, out: &Output) -> anyhow::Result<Exit> {
    match done {
        Ok(pickup) => {
            if out.is_json() {
                out.json(&pickup)?;
            } else {
                out.text(table(std::slice::from_ref(&pickup)).to_string())?;
            }
            Ok(Exit::Ok)
        }
        Err(GatewayError::Channel(e)) => {
            out.error(&anyhow::Error::new(e));
            Ok(Exit::Channel)
        }
        Err(e) => Err(e.into()),
    }
}

fn table(pickups: &[PickupRecord]) -> comfy_table::Table {
    let mut table = output::table();
    table.set_header(["pickup", "account", "parcels", "from (UTC)", "until (UTC)", "state", "number"]);
    for p in pickups {
        table.add_row([
            p.id.clone(),
            p.account.to_string(),
            p.shipments.len().to_string(),
            minute(p.pickup.ready),
            minute(p.pickup.close),
            p.state.name().to_owned(),
            p.confirmation.clone().unwrap_or_default(),
        ]);
    }
    table
}
