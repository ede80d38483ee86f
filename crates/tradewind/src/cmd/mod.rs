//! The commands, one module each. A module has `Args` (clap) and `run(args, out) -> Result<Exit>`; a new
//! command is a module and one line in each of the two lists below.

mod apply;
mod bulk;
mod cases;
mod catalogue;
mod categories;
mod check;
mod completions;
mod connectors;
mod demo;
mod docs;
mod duty;
mod export;
mod fulfil;
mod fx;
mod init;
mod listen;
mod login;
mod money;
mod orders;
mod pickup;
mod plan;
mod quote;
mod rates;
mod reconcile;
mod settle;
mod simulate;
mod tariff;
mod what_if;
mod why;

use clap::Subcommand;

use crate::output::{Exit, Output};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a whole trade on simulated channels: catalogue, listings, orders, parcels, money.
    Demo(demo::Args),
    /// Write a configuration to start from.
    Init(init::Args),
    /// Check the configuration, the secrets, the catalogue files and the audit chain of the store, offline; name the accounts that
    /// do not sell any more and whose listings are on sale.
    ///
    /// The chain tells that an entry of the journal was changed or taken away by something else than this program (exit 3). It has no
    /// key: whoever may write to the store can make it anew, and entries cut off at its end leave no trace. Compare the number of
    /// entries with that of a backup.
    Check(check::Args),
    /// Let an account in: the page on which the seller agrees, and the tokens for what it answers.
    ///
    /// For channels that give refresh tokens in no other way (eBay, AliExpress; the others take secrets from their consoles). The
    /// tokens are kept in the store, sealed, and go before those of the configuration. Do it again when the consent ends: AliExpress's
    /// does after 60 days, and from two weeks before every command that uses it warns.
    Login(login::Args),
    /// Import the catalogue files: whole or not at all.
    Import(catalogue::Args),
    /// Find a channel's categories by words, or show what one of them asks for.
    Categories(categories::Args),
    /// Show what would change on the channels, and write the plan.
    Plan(plan::Args),
    /// Carry a plan out, and read back what is live.
    Apply(apply::Args),
    /// Pull orders, or list them; units that they take and that are not there are told (exit 3).
    Orders(orders::Args),
    /// Pull returns, or list them; those to be approved or declined first (exit 3).
    Returns(cases::Args),
    /// Pull disputed payments, or list them; those to be answered first (exit 3), by their deadline.
    Disputes(cases::Args),
    /// Take notifications of channels, and read again what they hint at.
    ///
    /// Channels send to /hooks/ACCOUNT behind the public address of your TLS proxy ([listen] url in the configuration);
    /// `tradewind check` shows the address of each account and what is missing. A notification is a hint and never a change:
    /// it is checked by the account's connector, kept, answered with 2xx, and then what it names is read, as `orders` and `settle`
    /// read it. These stay the truth, since no channel promises delivery: run them too, only less often. Amazon sends to no
    /// web address, only to SQS and EventBridge: have an EventBridge API destination forward to /hooks/ACCOUNT (see
    /// `tradewind connectors amazon`). AliExpress's pushes are not taken yet; carriers and customs send none.
    Listen(listen::Args),
    /// Book parcels, file declarations, tell the marketplaces.
    Fulfil(fulfil::Args),
    /// What the carriers ask for the parcel of an order, or for another one.
    Rates(rates::Args),
    /// Order couriers for booked parcels, call them off, or list both.
    Pickup(pickup::Args),
    /// List declarations and what customs answered.
    Declare(fulfil::DeclareArgs),
    /// Collect transactions, payouts and settlement documents.
    Settle(settle::Args),
    /// Reconcile orders, payments, settlements and the bank; explain every cent.
    Reconcile(reconcile::Args),
    /// Foot settlement files too large to hold, and match them with orders by reference and amount.
    Bulk(bulk::Args),
    /// Allocate, normalise, convert, revalue: JSON in, JSON out.
    Money(money::Args),
    /// Write the books as a workbook, CSV, Parquet, plain-text accounting or another program's journals.
    Export(export::Args),
    /// Landed cost of an order: duty, taxes and fees line by line, with the rule of each figure.
    Quote(quote::Args),
    /// The rule packs: versions, validity, calendar, what a change of law does to the catalogue.
    Duty(duty::Args),
    /// Exchange rates from published files, and which publication they are of.
    Fx(fx::Args),
    /// Run the simulated channels on this machine.
    Simulate(simulate::Args),
    /// Explain a price, an offer or an order.
    Why(why::Args),
    /// What the connectors can do.
    Connectors(connectors::Args),
    /// Print a shell completion script.
    Completions(completions::Args),
    /// Write the generated documents, or check that they are fresh.
    #[command(hide = true)]
    Docs(docs::Args),
}

pub(crate) fn run(command: Command, out: &Output) -> anyhow::Result<Exit> {
    match command {
        Command::Demo(args) => demo::run(&args, out),
        Command::Init(args) => init::run(&args, out),
        Command::Check(args) => check::run(&args, out),
        Command::Login(args) => login::run(&args, out),
        Command::Import(args) => catalogue::run(&args, out),
        Command::Categories(args) => categories::run(&args, out),
        Command::Plan(args) => plan::run(&args, out),
        Command::Apply(args) => apply::run(&args, out),
        Command::Orders(args) => orders::run(&args, out),
        Command::Returns(args) => cases::returns(&args, out),
        Command::Disputes(args) => cases::disputes(&args, out),
        Command::Listen(args) => listen::run(&args, out),
        Command::Fulfil(args) => fulfil::run(&args, out),
        Command::Rates(args) => rates::run(&args, out),
        Command::Pickup(args) => pickup::run(&args, out),
        Command::Declare(args) => fulfil::declare(&args, out),
        Command::Settle(args) => settle::run(&args, out),
        Command::Reconcile(args) => reconcile::run(&args, out),
        Command::Bulk(args) => bulk::run(&args, out),
        Command::Money(args) => money::run(&args, out),
        Command::Export(args) => export::run(&args, out),
        Command::Quote(args) => quote::run(&args, out),
        Command::Duty(args) => duty::run(&args, out),
        Command::Fx(args) => fx::run(&args, out),
        Command::Simulate(args) => simulate::run(&args, out),
        Command::Why(args) => why::run(&args, out),
        Command::Connectors(args) => connectors::run(&args, out),
        Command::Completions(args) => completions::run(&args, out),
        Command::Docs(args) => docs::run(&args, out),
    }
}
