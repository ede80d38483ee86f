//! `tradewind listen`: notifications in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tradewind_domain::AccountId;
use tradewind_gateway::Gateway;

use crate::context::{self, ConfigArg, block_on};
use crate::listen::{Event, Server, Teller, Told, door, read_all, work};
use crate::output::{Exit, Output};

/// How long readings that are under way may take when we are asked to stop. What is cut off stays owed.
const GRACE: Duration = Duration::from_secs(10);
/// How often old deliveries are taken away.
const DAY: Duration = Duration::from_secs(24 * 3_600);

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Address to listen on, without TLS: put your proxy in front of it.
    #[arg(long, default_value = "127.0.0.1:8480")]
    bind: SocketAddr,
    /// Allow an address that other machines reach: whatever stands between them and us then sees what channels send.
    #[arg(long)]
    beyond_loopback: bool,
    /// End after so many seconds.
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Do not listen: make the readings that are owed and due, and end.
    #[arg(long, conflicts_with_all = ["seconds", "bind", "beyond_loopback"])]
    once: bool,
}

pub(crate) fn run(args: &Args, out: &Output) -> anyhow::Result<Exit> {
    if !args.bind.ip().is_loopback() && !args.beyond_loopback {
        bail!(
            "{} can be reached by other machines, without TLS: listen on 127.0.0.1 behind your TLS proxy, or add --beyond-loopback",
            args.bind
        );
    }
    let opened = args.config.open()?;
    context::note_no_account(out, &opened.gateway.config);
    let gateway = Arc::new(opened.gateway);
    let teller = Arc::new(Teller::new(*out));
    block_on(async {
        if args.once {
            let (mut tried, mut failed) = (0, 0);
            for account in gateway.accounts.keys() {
                let (t, f) = read_all(&gateway, account, &teller).await?;
                (tried, failed) = (tried + t, failed + f);
            }
            teller.tell(&Event::Stopped { owed: gateway.owed(None).await?.len() });
            return Ok(Exit::of_failures(failed, tried, false));
        }
        listen(args, gateway, teller).await
    })
}

async fn listen(args: &Args, gateway: Arc<Gateway>, teller: Arc<Teller>) -> anyhow::Result<Exit> {
    // Before anybody is told that we listen: who asks us to stop then is heard.
    let asked = asked_to_stop()?;
    let listener =
        TcpListener::bind(args.bind).await.with_context(|| format!("{} cannot be listened on", args.bind))?;
    let bound = listener.local_addr().context("the address that is listened on")?;
    let (stop, stopped) = watch::channel(false);
    let mut workers = JoinSet::new();
    let mut wake: BTreeMap<AccountId, Arc<Notify>> = BTreeMap::new();
    for account in gateway.accounts.keys() {
        let told = wake.entry(account.clone()).or_default().clone();
        workers.spawn(work(gateway.clone(), account.clone(), told, teller.clone(), stopped.clone()));
    }
    let server = Arc::new(Server::new(gateway.clone(), teller.clone(), wake, bound));
    let served = tokio::spawn(server.serve(listener, stopped));
    let accounts = gateway.config.account.iter().map(|entry| {
        let connector = gateway.accounts.get(&entry.id).map(|c| c.as_ref());
        Told::of(&entry.id, door(&gateway.config, entry, connector))
    });
    teller.tell(&Event::Listening { address: bound.to_string(), accounts: accounts.collect() });
    let tidy = async {
        loop {
            if let Err(error) = gateway.forget_deliveries().await {
                teller.tell(&Event::Failed { why: error.to_string() });
            }
            sleep(DAY).await;
        }
    };
    let over = async {
        match args.seconds {
            Some(seconds) => sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = asked => {}
        () = over => {}
        () = tidy => {}
    }
    let _ = stop.send(true);
    // The door first: what it still takes in is durable, and read after the next start.
    let _ = served.await;
    let ended = timeout(GRACE, async { while workers.join_next().await.is_some() {} });
    if ended.await.is_err() {
        workers.shutdown().await;
    }
    teller.tell(&Event::Stopped { owed: gateway.owed(None).await?.len() });
    Ok(Exit::Ok)
}

/// Ends when the process is asked to stop: Ctrl-C, or what a service manager sends.
#[cfg(unix)]
fn asked_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let told = "signals cannot be awaited";
    let mut interrupt = signal(SignalKind::interrupt()).context(told)?;
    let mut terminate = signal(SignalKind::terminate()).context(told)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends when the process is asked to stop.
#[cfg(not(unix))]
fn asked_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
