//! The shared vocabulary of cross-border trade: pure types, no I/O, no clock.
