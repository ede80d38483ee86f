//! The `tradewind` program.

fn main() {}
