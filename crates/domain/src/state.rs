//! State machines: an enum of states with the legal transitions beside it.
//!
//! Steps that the program takes itself go through `step`: one that the table lacks is a defect. A debug build, and so every
//! test, stops at it; any other build refuses it, keeps the state and tells. What a channel, a carrier or an authority tells is
//! taken as told: there the table says which news is odd.

/// A step that a state's table does not have, and that was not taken: a defect of the program, not of what it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a defect of this program: {machine} cannot go from {from} to {to}, and stays {from}")]
pub struct IllegalStep {
    /// Of which states.
    pub machine: &'static str,
    /// The state, which stays.
    pub from: &'static str,
    /// The one that was asked for.
    pub to: &'static str,
}

/// Declares a state enum and its legal transitions. A state may always stay what it is: channels repeat
/// themselves, and hearing the same thing twice is no error.
macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $( $(#[$sdoc:meta])* $state:ident => [$($next:ident),* $(,)?] ),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $( $(#[$sdoc])* $state ),+ }

        impl $name {
            /// Every state, in order.
            pub const ALL: &'static [$name] = &[$($name::$state),+];

            /// The states that can follow this one, without itself.
            #[must_use]
            pub const fn next(self) -> &'static [$name] {
                match self { $( $name::$state => &[$($name::$next),*] ),+ }
            }

            /// The name of the state.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( $name::$state => stringify!($state) ),+ }
            }

            /// Whether `to` may follow; staying is always legal.
            #[must_use]
            pub fn can_become(self, to: $name) -> bool {
                self == to || self.next().contains(&to)
            }

            /// Takes a step that the program decides on.
            ///
            /// # Errors
            /// The table has no such step: the state stays what it is.
            ///
            /// # Panics
            /// In place of that error, in a debug build: it is a defect of the program.
            pub fn step(&mut self, to: $name) -> Result<(), $crate::IllegalStep> {
                let step = self.try_step(to);
                debug_assert!(step.is_ok(), "{} cannot go from {self} to {to}", stringify!($name));
                step
            }

            /// [`Self::step`] without the panic: what a build for a running shop does.
            ///
            /// # Errors
            /// As there.
            pub fn try_step(&mut self, to: $name) -> Result<(), $crate::IllegalStep> {
                if !self.can_become(to) {
                    let machine = stringify!($name);
                    return Err($crate::IllegalStep { machine, from: self.name(), to: to.name() });
                }
                *self = to;
                Ok(())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}
pub(crate) use states;

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use crate::{
        ChangeState, DeclarationState, DisputeState, OrderState, PayoutState, ReturnState, ShipmentState,
    };

    /// All pairs of a machine against the other reading of it: by which states each state is entered. Staying is always legal,
    /// and every state is reached from the first.
    fn entered<S: Copy + PartialEq + Debug>(
        all: &[S],
        can_become: impl Fn(S, S) -> bool,
        from: &[(S, &[S])],
    ) {
        assert_eq!(from.iter().map(|(to, _)| *to).collect::<Vec<_>>(), all, "each state once, in order");
        for (to, sources) in from {
            for state in all {
                let legal = state == to || sources.contains(state);
                assert_eq!(can_become(*state, *to), legal, "{state:?} to {to:?}");
            }
        }
        let mut reached = vec![all[0]];
        while let Some(next) =
            all.iter().find(|s| !reached.contains(s) && reached.iter().any(|r| can_become(*r, **s)))
        {
            reached.push(*next);
        }
        assert_eq!(reached.len(), all.len(), "only {reached:?} are reached");
    }

    #[test]
    fn a_change_is_live_by_a_reading_and_asked_again_only_when_it_did_not_happen() {
        use ChangeState::*;
        entered(
            ChangeState::ALL,
            ChangeState::can_become,
            &[
                (Intended, &[Sent, Accepted, Rejected, Indeterminate]),
                (Sent, &[Intended]),
                (Accepted, &[Sent, Indeterminate]),
                // A process that died after sending left it at "sent".
                (Live, &[Sent, Accepted, Rejected, Indeterminate]),
                (Rejected, &[Sent, Accepted, Indeterminate]),
                (Indeterminate, &[Sent, Accepted]),
            ],
        );
    }

    #[test]
    fn a_parcel_is_booked_from_a_draft_alone() {
        use ShipmentState::*;
        entered(
            ShipmentState::ALL,
            ShipmentState::can_become,
            &[
                (Draft, &[CreatePending, CreateUnknown, LabelPending]),
                (CreatePending, &[Draft]),
                (CreateUnknown, &[CreatePending, LabelPending]),
                (LabelPending, &[CreatePending]),
                (LabelCreated, &[CreatePending, CreateUnknown, LabelPending, VoidPending]),
                (InTransit, &[LabelCreated, VoidPending]),
                (VoidPending, &[LabelCreated]),
                (Voided, &[VoidPending]),
                (Delivered, &[LabelCreated, InTransit]),
                (Returned, &[LabelCreated, InTransit, Delivered]),
                (Lost, &[LabelCreated, InTransit]),
            ],
        );
    }

    #[test]
    fn a_declaration_is_sent_when_its_papers_match_and_not_after_a_release() {
        use DeclarationState::*;
        entered(
            DeclarationState::ALL,
            DeclarationState::can_become,
            &[
                (Draft, &[Sent, Indeterminate, Acknowledged, Rejected]),
                (Matched, &[Draft, Sent, Indeterminate]),
                (Sent, &[Matched, Indeterminate, Rejected]),
                (Indeterminate, &[Sent]),
                (Acknowledged, &[Sent, Indeterminate, CancelPending, Rejected]),
                (Registered, &[Sent, Indeterminate, Acknowledged, Held, CancelPending, Rejected]),
                (Held, &[Sent, Indeterminate, Acknowledged, Registered, CancelPending, Rejected]),
                (Released, &[Sent, Indeterminate, Acknowledged, Registered, Held, CancelPending, Rejected]),
                (Assessed, &[Released, CancelPending]),
                (CancelPending, &[Acknowledged, Registered, Held, Released]),
                (Rejected, &[Sent, Indeterminate, Acknowledged, Registered, Held, CancelPending]),
                (
                    Cancelled,
                    &[
                        Draft,
                        Matched,
                        Sent,
                        Indeterminate,
                        Acknowledged,
                        Registered,
                        Held,
                        Released,
                        CancelPending,
                    ],
                ),
            ],
        );
    }

    #[test]
    fn an_order_that_left_is_not_cancelled() {
        use OrderState::*;
        let open = [PendingPayment, AwaitingAcceptance, ReadyToShip, Processing, PartiallyShipped];
        entered(
            OrderState::ALL,
            OrderState::can_become,
            &[
                (PendingPayment, &[]),
                (AwaitingAcceptance, &[PendingPayment]),
                (
                    ReadyToShip,
                    &[PendingPayment, AwaitingAcceptance, CancelRequested, Cancelled, OnHold, Exception],
                ),
                (Processing, &[ReadyToShip, CancelRequested, Cancelled, OnHold, Exception]),
                (PartiallyShipped, &[ReadyToShip, Processing, CancelRequested, OnHold, Exception]),
                (Shipped, &[ReadyToShip, Processing, PartiallyShipped, CancelRequested, OnHold, Exception]),
                (AwaitingPickup, &[Shipped, Exception]),
                (Delivered, &[ReadyToShip, Processing, PartiallyShipped, Shipped, AwaitingPickup, Exception]),
                (CancelRequested, &[&open[..], &[OnHold, Exception]].concat()),
                (Cancelled, &[&open[..], &[CancelRequested, OnHold, Exception]].concat()),
                (OnHold, &open),
                (
                    Exception,
                    &[&open[..], &[Shipped, AwaitingPickup, Delivered, CancelRequested, OnHold]].concat(),
                ),
            ],
        );
    }

    #[test]
    fn cases_and_payouts_end() {
        {
            use ReturnState::*;
            let from: [(ReturnState, &[ReturnState]); 7] = [
                (Requested, &[]),
                (Approved, &[Requested, Declined]),
                (InTransit, &[Approved]),
                (Received, &[Approved, InTransit]),
                (Refunded, &[Approved, InTransit, Received]),
                (Declined, &[Requested]),
                (Closed, &[Requested, Approved, InTransit, Received, Refunded, Declined]),
            ];
            entered(ReturnState::ALL, ReturnState::can_become, &from);
        }
        {
            use DisputeState::*;
            let from: [(DisputeState, &[DisputeState]); 5] = [
                (NeedsResponse, &[UnderReview]),
                (UnderReview, &[NeedsResponse]),
                // Of a decided one a bank may decide anew.
                (Won, &[NeedsResponse, UnderReview, Lost]),
                (Lost, &[NeedsResponse, UnderReview, Won]),
                (Accepted, &[NeedsResponse]),
            ];
            entered(DisputeState::ALL, DisputeState::can_become, &from);
        }
        {
            use PayoutState::*;
            let from: [(PayoutState, &[PayoutState]); 6] = [
                (Scheduled, &[Failed, Returned]),
                (InTransit, &[Scheduled]),
                (Paid, &[Scheduled, InTransit]),
                // Banks send money back days after they said that it arrived.
                (Failed, &[Scheduled, InTransit, Paid]),
                (Returned, &[InTransit, Paid]),
                (Cancelled, &[Scheduled]),
            ];
            entered(PayoutState::ALL, PayoutState::can_become, &from);
        }
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "ShipmentState cannot go from Draft to LabelCreated")]
    fn a_step_that_the_table_lacks_is_a_defect() {
        let _ = ShipmentState::Draft.step(ShipmentState::LabelCreated);
    }

    /// As any build does it that is not for tests.
    #[test]
    fn such_a_step_is_not_taken_and_says_so() {
        let mut state = ShipmentState::LabelCreated;
        let error = state.try_step(ShipmentState::CreatePending).unwrap_err();
        assert_eq!(state, ShipmentState::LabelCreated);
        let said = "a defect of this program: ShipmentState cannot go from LabelCreated to CreatePending, and stays LabelCreated";
        assert_eq!(error.to_string(), said);
        // Staying and a step of the table are taken.
        for to in [ShipmentState::LabelCreated, ShipmentState::VoidPending] {
            assert_eq!((state.try_step(to), state), (Ok(()), to));
        }
    }
}
