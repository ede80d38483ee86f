//! Integration tests: the shipped packs, the worked examples, every row at its boundaries, the interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // helpers outside #[test] functions report by panicking

mod packs;
mod pinned;
mod properties;
mod rows;
mod table;
mod tariff;

use tradewind_landed_cost::pack::PackSet;
use tradewind_landed_cost::quote::Engine;
use tradewind_landed_cost::request::Request;

fn packs() -> &'static PackSet {
    static PACKS: std::sync::OnceLock<PackSet> = std::sync::OnceLock::new();
    PACKS.get_or_init(|| PackSet::embedded().unwrap_or_else(|e| panic!("{e}")))
}

fn ask(text: &str) -> serde_json::Value {
    let request = Request::parse(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let quote = Engine::new(packs()).quote(&request).unwrap_or_else(|e| panic!("{e}: {text}"));
    serde_json::to_value(quote).unwrap()
}
