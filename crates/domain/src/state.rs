//! State machines: an enum of states with the legal transitions beside it.

/// A transition that the machine does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{machine} cannot go from {from} to {to}")]
pub struct IllegalTransition {
    /// Which state machine.
    pub machine: &'static str,
    /// The state it is in.
    pub from: &'static str,
    /// The state that was asked for.
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

            /// Nothing can follow.
            #[must_use]
            pub const fn is_final(self) -> bool {
                self.next().is_empty()
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

            /// The next state, checked.
            ///
            /// # Errors
            /// The machine has no such transition.
            pub fn advance(self, to: $name) -> Result<$name, $crate::IllegalTransition> {
                if self.can_become(to) {
                    Ok(to)
                } else {
                    Err($crate::IllegalTransition { machine: stringify!($name), from: self.name(), to: to.name() })
                }
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
