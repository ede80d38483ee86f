//! Whole-system tests through the real binary over real sockets.
