//! The core that all fakes stand on: clock, randomness, world, ledger, faults, quotas, buyers,
//! servers. Start reading at [`channel`], which says how a fake is written.

pub mod buyers;
pub mod channel;
pub mod clock;
mod control;
pub mod deliver;
pub mod faults;
pub mod ledger;
pub mod money;
pub mod quota;
pub mod rng;
pub mod server;
pub mod world;
