//! `tradewind simulate`: the fakes on their own, for any client.

use std::net::IpAddr;

use tradewind_simulator::{Profile, Simulator};

use crate::context::block_on;
use crate::output::{Exit, Output};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seed of the world.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Faults: none, mild or hostile.
    #[arg(long, default_value = "none")]
    faults: String,
    /// Only these channels.
    #[arg(long, value_delimiter = ',')]
    channels: Option<Vec<String>>,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    listen: IpAddr,
    /// Virtual seconds per real second; 0: time stands until /_sim/advance is called.
    #[arg(long, default_value_t = 1)]
    scale: u32,
    /// First of consecutive ports; 0 takes any free ones.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    let profile: Profile =
        args.faults.parse().map_err(|e| anyhow::anyhow!("--faults {}: {e}", args.faults))?;
    block_on(async {
        let mut builder = Simulator::builder().seed(args.seed).faults(profile).listen(args.listen, args.port);
        if let Some(channels) = &args.channels {
            builder = builder.channels(channels.clone());
        }
        let simulator = builder.start().await?;
        if args.scale > 0 {
            simulator.run_clock(args.scale);
        }
        for name in simulator.channels() {
            if out.is_json() {
                out.json(&serde_json::json!({"channel": name, "url": simulator.base_url(name)}))?;
            } else {
                out.text(format!("{name:<14} {}", simulator.base_url(name)))?;
            }
        }
        out.note("control: GET /_sim/time /_sim/ledger, POST /_sim/advance; stop with Ctrl-C");
        tokio::signal::ctrl_c().await?;
        Ok(Exit::Ok)
    })
}
