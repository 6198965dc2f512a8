//! A boolean without quotation marks: the text `"no"` or `"true"` is refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

/// `true` or `false`, without quotation marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch(pub bool);

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Boolean;
        impl Visitor<'_> for Boolean {
            type Value = Switch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true or false, without quotation marks")
            }

            fn visit_bool<E>(self, on: bool) -> Result<Switch, E> {
                Ok(Switch(on))
            }
        }
        deserializer.deserialize_any(Boolean)
    }
}
