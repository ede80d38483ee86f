//! The contract that adapters implement, and the one pipeline that runs them.
