//! `tradewind orders`: pull, then list.

use clap::builder::PossibleValuesParser;
use tradewind_gateway::records::{OrderRecord, Stage};
use tradewind_store::Filter;
use tradewind_store::typed;

use crate::context::{self, ConfigArg, block_on, watched};
use crate::mask;
use crate::output::{self, Entry, Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Only list what is stored; call nobody.
    #[arg(long)]
    offline: bool,
    /// Only orders in this stage.
    #[arg(long, value_parser = PossibleValuesParser::new(Stage::ALL.map(Stage::name)))]
    stage: Option<String>,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let opened = args.config.open()?;
    let gateway = &opened.gateway;
    context::note_no_account(out, &gateway.config);
    let (pulled, orders) = block_on(watched(out, gateway, "pulling orders", async {
        let pulled = if args.offline { Default::default() } else { gateway.pull().await? };
        let filter = args.stage.as_ref().map_or_else(Filter::all, |s| Filter::all().states(&[s]));
        Ok((pulled, typed::list::<OrderRecord>(&*gateway.store, filter).await?))
    }))?;
    if out.is_json() {
        let orders: Vec<_> = orders.iter().map(|o| mask::order(&o.value)).collect::<anyhow::Result<_>>()?;
        out.json(&serde_json::json!({"pulled": pulled, "orders": orders}))?;
    } else {
        let rows: Vec<Entry> = orders
            .iter()
            .map(|record| {
                let order = &record.value.order;
                let told = |what: Option<String>| what.unwrap_or_else(|| "–".to_owned());
                let cells = vec![
                    order.account.to_string(),
                    order.id.to_string(),
                    order.placed_at.utc.strftime("%Y-%m-%d %H:%M").to_string(),
                    // Not told before it is paid: what is not known is neither empty nor zero.
                    told(order.ship_to.as_ref().map(|a| a.country.to_string())),
                    told(order.told_total().map(|total| total.to_string())),
                    record.value.stage.name().to_owned(),
                ];
                Entry { cells, below: record.value.note.clone().unwrap_or_default() }
            })
            .collect();
        for error in &pulled.errors {
            out.note(error);
        }
        if !orders.is_empty() {
            let header = ["account", "order", "placed (UTC)", "to", "total", "stage"];
            out.text(output::listing(&header, &rows, output::width()))?;
        }
        let asked = if args.offline {
            String::new()
        } else {
            format!(
                "; of {} accounts {} could not be read; {} orders new, {} changed",
                pulled.asked, pulled.failed, pulled.new, pulled.changed
            )
        };
        out.text(format!("{} orders{asked}", orders.len()))?;
    }
    Ok(match pulled.oversold {
        0 => Exit::of_failures(pulled.failed, pulled.asked, pulled.seen > 0),
        // Units that are not there are a person's to get, whether or not every account could be read.
        _ => Exit::Blocked,
    })
}
