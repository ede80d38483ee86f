//! What a process shares among its accounts.

use std::sync::Arc;

use crate::clock::{Chance, Clock, SeededChance};
use crate::journal::{Journal, Memory};
use crate::limiter::Limiter;
use crate::pipeline::Logins;
use crate::transport::Transport;

/// What the process gives to every connector: time, chance, network, memory, quotas.
#[derive(Clone)]
pub struct Runtime {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Nonces and jitter.
    pub chance: Arc<dyn Chance>,
    /// Network.
    pub transport: Arc<dyn Transport>,
    /// Memory.
    pub journal: Arc<dyn Journal>,
    /// Quotas, shared by all accounts of the process.
    pub limiter: Arc<Limiter>,
    /// Tokens of logins that accounts of the process share.
    pub logins: Arc<Logins>,
}

impl Runtime {
    /// One that forgets with its process, and draws the same nonces and jitter every time: for tests, benches, and what makes no
    /// call. What is to be otherwise is named beside it: `Runtime { journal, ..Runtime::in_memory(clock, transport) }`.
    #[must_use]
    pub fn in_memory(clock: Arc<dyn Clock>, transport: Arc<dyn Transport>) -> Runtime {
        Runtime {
            chance: Arc::new(SeededChance::new(1)),
            transport,
            journal: Arc::new(Memory::default()),
            limiter: Arc::new(Limiter::new(clock.clone())),
            logins: Arc::default(),
            clock,
        }
    }
}
