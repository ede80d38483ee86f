//! The queue before one quota: one draws at a time; the rest wait by priority, then in order of arrival.
//!
//! Whoever has the turn may sleep until the quota gives. It tells the queue until when, which bounds everybody behind it: who
//! must be served before that is sent away at once, and who goes first wakes it and takes the turn.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::operation::Priority;

/// Place in the queue: the smaller goes first.
pub(crate) type Place = (Reverse<Priority>, u64);

#[derive(Default)]
pub(crate) struct Turnstile(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    holder: Option<Holder>,
    next: u64,
    waiting: BTreeMap<Place, Waiter>,
}

struct Holder {
    place: Place,
    /// It sleeps until then, and wakes when told that somebody goes first.
    sleeps: Option<(Timestamp, oneshot::Sender<()>)>,
}

struct Waiter {
    deadline: Timestamp,
    hand: oneshot::Sender<Result<Turn, Late>>,
}

/// The quota gives nothing before this instant, which is after the deadline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Late(pub(crate) Timestamp);

/// The right to draw. Dropping it hands it to the next waiter, also when it is dropped unread inside the
/// channel because its waiter gave up.
pub(crate) struct Turn {
    queue: Option<Arc<Mutex<Queue>>>,
    place: Place,
}

impl Turnstile {
    /// Waits for the turn. `place`: the one had before, by somebody who let another go first.
    pub(crate) async fn enter(
        &self,
        priority: Priority,
        place: Option<Place>,
        deadline: Timestamp,
    ) -> Result<Turn, Late> {
        let (handed, place) = {
            let mut q = lock(&self.0);
            let place = place.unwrap_or((Reverse(priority), q.next));
            q.next += 1;
            let Some(holder) = &mut q.holder else {
                q.holder = Some(Holder { place, sleeps: None });
                return Ok(Turn { queue: Some(Arc::clone(&self.0)), place });
            };
            if let Some((until, _)) = &holder.sleeps {
                if place.0 < holder.place.0 {
                    if let Some((_, wake)) = holder.sleeps.take() {
                        // One that has just woken by itself gives the turn on as soon as it has drawn.
                        let _ = wake.send(());
                    }
                } else if *until > deadline {
                    return Err(Late(*until));
                }
            }
            let (hand, handed) = oneshot::channel();
            q.waiting.insert(place, Waiter { deadline, hand });
            (handed, place)
        };
        // A sender is only dropped after it sent, so the channel always delivers.
        handed.await.unwrap_or(Ok(Turn { queue: None, place }))
    }
}

impl Turn {
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Says that the quota gives nothing before `until`. Those behind who cannot wait so long are told; what is given back
    /// resolves when somebody arrives who goes first.
    pub(crate) fn sleeps(&self, until: Timestamp) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        let Some(queue) = &self.queue else { return woken };
        let late: Vec<Waiter> = {
            let mut q = lock(queue);
            if q.waiting.first_key_value().is_some_and(|(first, _)| first.0 < self.place.0) {
                let _ = wake.send(());
                return woken;
            }
            if let Some(holder) = &mut q.holder {
                holder.sleeps = Some((until, wake));
            }
            let late = q.waiting.iter().filter(|(_, w)| w.deadline < until).map(|(place, _)| *place);
            let late: Vec<_> = late.collect();
            late.iter().filter_map(|place| q.waiting.remove(place)).collect()
        };
        for waiter in late {
            let _ = waiter.hand.send(Err(Late(until)));
        }
        woken
    }

    /// It slept its time out.
    pub(crate) fn awake(&self) {
        if let Some(queue) = &self.queue
            && let Some(holder) = &mut lock(queue).holder
        {
            holder.sleeps = None;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(queue) = self.queue.take() else { return };
        loop {
            let (place, hand) = {
                let mut q = lock(&queue);
                match q.waiting.pop_first() {
                    Some((place, waiter)) => {
                        q.holder = Some(Holder { place, sleeps: None });
                        (place, waiter.hand)
                    }
                    None => {
                        q.holder = None;
                        return;
                    }
                }
            };
            match hand.send(Ok(Turn { queue: Some(Arc::clone(&queue)), place })) {
                // That waiter gave up: disarm its turn and try the next.
                Err(Ok(mut turn)) => turn.queue = None,
                _ => return,
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
