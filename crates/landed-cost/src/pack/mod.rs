//! Rule packs: one TOML file per jurisdiction, checked whole when loaded.

mod check;
mod load;
mod model;
mod raw;
mod set;

pub(crate) use check::in_band;
pub use load::PackError;
pub use model::*;
pub use set::{PackSet, PackSetError};
