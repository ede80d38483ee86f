//! Rate book: where a rate came from, as of when; conversion and rounding.
