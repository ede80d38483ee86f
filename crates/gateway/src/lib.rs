//! The use cases: import a catalogue, plan, apply, pull orders, fulfil them, collect money.
//!
//! A [`Gateway`] holds the configuration, the open accounts and the store. It names no channel: everything goes
//! through the roles of `tradewind-connector`. Each use case is a module:
//!
//! | module | use case |
//! |---|---|
//! | [`catalogue`] | files in |
//! | [`desired`], [`plan`], [`apply`] | listings out, guarded, bound by hash, read back |
//! | [`orders`] | orders in, once each, with stock reserved |
//! | [`hints`] | notifications in: hints of what to read again |
//! | [`pricing`] | channel prices through the price book, with landed cost |
//! | [`fees`], [`categories`] | what a channel takes and asks for, in its own words |
//! | [`landed`] | landed cost of an order, pinned |
//! | [`fulfil`] | book, declare, confirm |
//! | [`money`] | transactions, statements, payouts |
//! | [`cases`] | returns and disputes in, beside their orders |
//! | [`history`] | what happened to an order, from all that is kept of it |
//! | [`kept`] | the calls behind an order or an offer, as they are kept |
//! | [`rates`], [`pickups`] | what carriers ask for a parcel; couriers |
//! | [`books`] | what the store knows, as facts for the ledger |
//! | [`stock`] | who may sell how much |

pub mod apply;
pub mod books;
pub mod cases;
pub mod catalogue;
pub mod categories;
pub mod config;
pub mod desired;
pub mod fees;
pub mod fulfil;
mod gateway;
pub mod hints;
pub mod history;
pub mod kept;
pub mod landed;
pub mod money;
pub mod orders;
pub mod pickups;
pub mod plan;
pub mod pricing;
mod progress;
pub mod rates;
pub mod records;
mod refresh;
pub mod stock;
mod unreached;
pub mod untended;

pub use gateway::{Gateway, GatewayError, Imported, Result};
pub use landed::{Engines, Landed};
pub use refresh::Refreshed;
