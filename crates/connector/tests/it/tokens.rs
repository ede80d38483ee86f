//! How often the store is asked for tokens: it stands on a disk that all accounts share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tradewind_connector::*;
use tradewind_domain::AccountId;

use crate::script::*;

/// Counts what it is asked.
#[derive(Default)]
struct Counting {
    memory: Arc<Memory>,
    loads: AtomicU32,
}

#[async_trait]
impl Journal for Counting {
    async fn begin(&self, intent: &Arc<Intent>) -> Result<Begun> {
        self.memory.begin(intent).await
    }
    async fn finish(&self, intent: &Arc<Intent>, outcome: Outcome) -> Result<()> {
        self.memory.finish(intent, outcome).await
    }
    async fn keep(&self, exchange: Exchange) -> Result<()> {
        self.memory.keep(exchange).await
    }
    async fn load_token(&self, account: &AccountId, audience: &str) -> Result<Option<TokenSet>> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.memory.load_token(account, audience).await
    }
    async fn save_token(&self, account: &AccountId, audience: &str, token: &TokenSet) -> Result<()> {
        self.memory.save_token(account, audience, token).await
    }
}

/// Signs and has no token.
struct Signed;
impl Protocol for Signed {}

/// A process: it makes `calls` calls, an hour apart.
async fn process(
    protocol: Arc<dyn Protocol>,
    journal: &Arc<Counting>,
    steps: Vec<Step>,
    calls: u32,
) -> (u32, usize) {
    let before = journal.loads.load(Ordering::Relaxed);
    let memory = journal.memory.clone();
    let b = assemble(Access::ReadWrite, "", steps, protocol, journal.clone(), memory);
    for _ in 0..calls {
        b.pipeline.call(&op(Safety::Read), "x", &CallCx::new()).await.unwrap();
        b.clock.advance(Duration::from_secs(3_600));
    }
    let fetched = b.seen().len() - b.calls().len();
    (journal.loads.load(Ordering::Relaxed) - before, fetched)
}

#[tokio::test]
async fn the_store_is_asked_for_a_token_once_in_a_process() {
    // Without tokens: whether one is stored is looked up with the first call.
    let journal = Arc::new(Counting::default());
    let steps = || (0..5).map(|_| ok("done")).collect();
    assert_eq!(process(Arc::new(Signed), &journal, steps(), 5).await, (1, 0));
    // With tokens that last an hour: each refresh is of the token at hand. The next process begins with the stored one,
    // which serves no longer than the clock of its bench says.
    let journal = Arc::new(Counting::default());
    let steps = vec![ok(TOKEN), ok("1"), ok(TOKEN), ok("2"), ok(TOKEN), ok("3")];
    assert_eq!(process(Arc::new(Toy), &journal, steps, 3).await, (1, 3));
    assert_eq!(process(Arc::new(Toy), &journal, vec![ok("4")], 1).await, (1, 0));
}
