//! Stateful fakes of the channels over real HTTP, seeded, with faults.
//!
//! The simulator is the other side of every connector: it is written from the channels'
//! specifications and shares no type with the gateway (it depends on no other crate of ours), so a
//! mapping mistake on one side cannot hide behind the same mistake on the other. Equal seeds and
//! equal requests at equal virtual instants give equal worlds, byte for byte.
//!
//! ```no_run
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! use tradewind_simulator::{Profile, Simulator};
//! let sim = Simulator::builder().seed(7).faults(Profile::Mild).start().await?;
//! let url = sim.base_url("amazon");
//! let client_id = sim.credentials("amazon").get("client_id").to_owned();
//! // ... point a client at `url` ...
//! sim.advance(std::time::Duration::from_secs(24 * 3600));
//! println!("{} orders", sim.ledger().placed_count());
//! # let _ = client_id; Ok(()) }
//! ```
//!
//! A client's clock should follow [`Simulator::now`], and its waiting should call
//! [`Simulator::advance_to`]: quotas, tokens and publications live on virtual time.

pub mod channels;
pub mod core;

pub use crate::core::buyers::{Demand, Quiet};
pub use crate::core::channel::{Call, Channel, Credentials, News};
pub use crate::core::deliver::Delivery;
pub use crate::core::faults::{Fault, HOOKS, Profile};
pub use crate::core::ledger::{Ledger, MoneyRecord};
pub use crate::core::server::{Builder, Simulator, StartError};
pub use crate::core::world::{CONTROL, Event, Hook, JournalLine, Moment, World};
