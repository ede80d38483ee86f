//! A buyer who wants out before anything left is let go: the channel is told, and the next pull shows it cancelled.

use tradewind_connector::role::Cancellation;
use tradewind_connector::{CallCx, Error, Kind, Submitted};
use tradewind_domain::{CancelReason, OrderState};
use tradewind_store::Batch;
use tradewind_store::typed::Record;

use super::Fulfilled;
use crate::gateway::{Gateway, Result};
use crate::records::{OrderRecord, Stage};

impl Gateway {
    pub(super) async fn cancel(&self, mut record: OrderRecord, done: &mut Fulfilled) -> Result<()> {
        if record.order.state != OrderState::CancelRequested {
            return Ok(());
        }
        let connector = self.account(&record.order.account)?.clone();
        let Some(actions) = connector.marketplace().and_then(|m| m.order_actions()) else { return Ok(()) };
        let result = match &record.cancel {
            Some(handle) if handle.not_before.is_some_and(|t| t > self.now()) => return Ok(()),
            Some(handle) => actions.poll(&CallCx::new(), handle).await,
            None => {
                let cx = CallCx::keyed(format!("{}/cancel/{}", record.key(), record.cancel_attempt));
                let what = Cancellation::whole(record.order.clone(), CancelReason::BuyerRequest);
                actions.cancel(&cx, &what).await
            }
        };
        match result {
            Ok(Submitted::Done(())) => {
                done.cancelled += 1;
                // Not cancelled before it is read: "accepted" is not "done". If it is still there, it is asked again.
                record.cancel = None;
                record.cancel_attempt += 1;
                self.stage(record, Stage::Waiting, Some("cancellation sent".to_owned()), Batch::new()).await
            }
            Ok(Submitted::Deferred(handle)) => {
                record.cancel = Some(handle);
                self.stage(record, Stage::Waiting, Some("cancellation under way".to_owned()), Batch::new())
                    .await
            }
            Err(e) => self.cancel_failed(record, &e, done).await,
        }
    }

    async fn cancel_failed(
        &self,
        mut record: OrderRecord,
        error: &Error,
        done: &mut Fulfilled,
    ) -> Result<()> {
        done.refused(self.told(error));
        if matches!(error.kind(), Kind::Unsupported) {
            let note =
                "the buyer wants to cancel and this channel takes that only in its own pages".to_owned();
            return self.stage(record, Stage::Stuck, Some(note), Batch::new()).await;
        }
        done.postponed += 1;
        // Refused, or in doubt: the order is read again by the next pull, and asked again if it is still open.
        if error.kind().is_business() || error.kind() == Kind::Indeterminate {
            record.cancel = None;
            record.cancel_attempt += 1;
        }
        self.stage(record, Stage::Waiting, Some(error.to_string()), Batch::new()).await
    }
}
