//! Roles, methods and other small closed words, as types.

use std::collections::BTreeSet;
use std::fmt;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every word, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }

            /// Reads the word exactly as it is written.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $(stringify!($variant) => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

words! {
    /// What a guest is in his partner.
    GuestRole {
        /// Only receives access.
        GuestUser,
        /// Manages the Guest Users and passes accounts on where he is Manager.
        GuestAdmin,
    }
}

words! {
    /// What a guest may do with a shared account. Ordered: Manager is more. Owner cannot be expressed.
    ShareRole {
        /// Log in.
        Collaborator,
        /// Log in, and pass the account on.
        Manager,
    }
}

words! {
    /// A way of multi-factor authentication.
    MfaMethod {
        /// Time-based one-time passwords.
        TOTP,
        /// Passkeys and security keys.
        WebAuthn,
    }
}

words! {
    /// Whether identities that exist already may become guests.
    Adoption {
        /// Strangers are refused.
        Never,
        /// Identities without a mark may be adopted, where the workspace policy allows it.
        Unmarked,
    }
}

words! {
    /// What deleting a partner does while memberships or shares exist.
    Deletion {
        /// It waits until they are gone.
        Block,
        /// It deletes them.
        Cascade,
    }
}

/// A set of methods.
pub type Methods = BTreeSet<MfaMethod>;

/// Both methods: what counts where nothing is said.
pub fn all_methods() -> Methods {
    MfaMethod::ALL.iter().copied().collect()
}
