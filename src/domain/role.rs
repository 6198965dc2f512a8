//! Roles, MFA methods and other closed lists, as types.

use std::collections::BTreeSet;
use std::fmt;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// All values, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value in its one spelling.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }

            /// Parses a value; the case must match.
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
    /// The role of a guest in a partner.
    GuestRole {
        /// Only receives access.
        GuestUser,
        /// Manages the Guest Users, and passes accounts on as Manager.
        GuestAdmin,
    }
}

words! {
    /// The role of a guest on a shared account. Manager is greater than Collaborator. Owner cannot be expressed.
    ShareRole {
        /// Log in.
        Collaborator,
        /// Log in, and pass the account on.
        Manager,
    }
}

words! {
    /// A method of multi-factor authentication.
    MfaMethod {
        /// Time-based one-time passwords.
        TOTP,
        /// Passkeys and security keys.
        WebAuthn,
    }
}

words! {
    /// Whether existing users may become guests.
    Adoption {
        /// Existing users are refused.
        Never,
        /// Users without an ownership mark may be adopted, if the workspace policy allows it.
        Unmarked,
    }
}

words! {
    /// The effect of deleting a partner while memberships or shares exist.
    Deletion {
        /// The deletion waits until none is left.
        Block,
        /// The deletion includes them.
        Cascade,
    }
}

/// A set of methods.
pub type Methods = BTreeSet<MfaMethod>;

/// Both MFA methods: the default.
pub fn all_methods() -> Methods {
    MfaMethod::ALL.iter().copied().collect()
}
