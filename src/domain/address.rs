//! Addresses and domains as types: behind the API boundary they are always valid and lower case.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The form of an address: one mailbox in ASCII, a dot-atom before the `@`, labels with at least one dot after it. The
/// CRDs use the same expression. Further limits: 254 characters, 64 before the `@`, 63 per label.
pub const EMAIL_PATTERN: &str = r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+([.][A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$";

/// The form of a domain in a list: lower-case labels with at least one dot. Further limit: 253 characters.
pub const DOMAIN_PATTERN: &str = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?([.][a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$";

/// Maximum length of an address, in characters.
pub const LONGEST_EMAIL: usize = 254;
/// Maximum length of the part before the `@`, in characters.
pub const LONGEST_LOCAL_PART: usize = 64;
/// Maximum length of a domain, in characters.
pub const LONGEST_DOMAIN: usize = 253;

/// One mailbox, `local@domain`, in ASCII and lower case. The text is shared, because many structures contain the same
/// address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(Arc<str>);

/// A domain of letter-digit-hyphen labels with at least one dot, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

impl Email {
    /// Parses an address. The error names the problem and shows the form.
    ///
    /// # Errors
    ///
    /// The text has another form. The error names the fix.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("{} {what}; write one mailbox as bob@acme.example", quote(text)));
        if text.is_empty() {
            return wrong("is empty");
        }
        if !text.is_ascii() {
            return wrong("has characters outside ASCII (write an international domain as xn--…)");
        }
        if text.len() > LONGEST_EMAIL {
            return wrong("is longer than 254 characters");
        }
        let Some((local, domain)) = text.split_once('@') else { return wrong("has no @") };
        if domain.contains('@') {
            return wrong("has more than one @");
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c);
        if local.is_empty() || local.len() > LONGEST_LOCAL_PART {
            return wrong("needs 1 to 64 characters before the @");
        }
        if text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:")) {
            return wrong("begins with mailto:");
        }
        if let Some(other) = local.chars().find(|c| !fits(*c) && !". \"<>()[]".contains(*c)) {
            return wrong(&format!("has {other:?} before the @"));
        }
        if !local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(fits)) {
            return wrong("has quotes, brackets, spaces or misplaced dots before the @");
        }
        if let Err(what) = labels(&domain.to_ascii_lowercase()) {
            return wrong(what);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The address, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the `@`.
    pub fn domain(&self) -> Domain {
        Domain(self.0.rsplit_once('@').map_or_else(String::new, |(_, domain)| domain.to_owned()))
    }
}

impl Domain {
    /// Parses a lower-case domain. The error names the problem and shows the form.
    ///
    /// # Errors
    ///
    /// The text has another form. The error names the fix.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            |what: &str| Err(format!("{} {what}; write a plain lower-case domain as acme.example", quote(text)));
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return wrong("has upper-case letters");
        }
        if text.len() > LONGEST_DOMAIN {
            return wrong("is longer than 253 characters");
        }
        match labels(text) {
            Ok(()) => Ok(Self(text.to_owned())),
            Err(what) => wrong(what),
        }
    }

    /// The domain, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `other` or a subdomain of it, by whole labels.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0 == other.0 || self.0.strip_suffix(&other.0).is_some_and(|rest| rest.ends_with('.'))
    }
}

/// Checks lower-case labels.
fn labels(domain: &str) -> Result<(), &'static str> {
    if domain.ends_with('.') {
        return Err("ends in a dot");
    }
    if !domain.contains('.') {
        return Err("has a domain without a dot");
    }
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    for label in domain.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err("has a domain label that is empty or longer than 63 characters");
        }
        if !label.chars().all(fits) || label.starts_with('-') || label.ends_with('-') {
            return Err("has a domain label that is not letters, digits and inner hyphens");
        }
    }
    Ok(())
}

/// The text for a message: shortened, and without characters that could break a line.
pub(crate) fn quote(text: &str) -> String {
    // Escapes count at their written length, because the rest of the message must fit too.
    let mut length = 0;
    let fits = |c: &char| {
        length += c.escape_debug().len();
        length <= 60
    };
    let short: String = text.chars().take(48).take_while(fits).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{more}")
}

impl TryFrom<String> for Email {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0.as_ref().to_owned()
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_have_a_length_limit_for_labels_and_as_a_whole() {
        let label = |length: usize| "b".repeat(length);
        assert!(Domain::parse(&format!("{}.example", label(63))).is_ok());
        assert!(Domain::parse(&format!("{}.example", label(64))).unwrap_err().contains("longer than 63 characters"));
        let long = |last: usize| format!("{0}.{0}.{0}.{1}", label(63), label(last));
        assert_eq!(long(61).len(), LONGEST_DOMAIN);
        assert!(Domain::parse(&long(61)).is_ok());
        for last in [62, 63] {
            assert!(Domain::parse(&long(last)).unwrap_err().contains("longer than 253 characters"));
        }
    }

    #[test]
    fn quoted_text_is_short_with_and_without_escapes() {
        assert_eq!(quote("acme"), "\"acme\"");
        assert_eq!(quote(&"a".repeat(49)), format!("\"{}\"…", "a".repeat(48)));
        // An escape of this character has five characters, so twelve fit into 60.
        assert_eq!(quote(&"\u{1}".repeat(40)), format!("\"{}\"…", "\\u{1}".repeat(12)));
    }

    #[test]
    fn one_mailbox_in_ascii_reads() {
        for text in ["bob@acme.example", "Bob.O'Neil+tag@ACME.example", "a@b.c", "x@xn--bcher-kva.example", "1@2.3"] {
            assert_eq!(Email::parse(text).unwrap().as_str(), text.to_ascii_lowercase());
        }
        assert_ne!(Email::parse("bob+a@acme.example"), Email::parse("bob@acme.example"));
    }

    #[test]
    fn anything_else_is_refused_with_a_sentence() {
        let long = format!("{}@acme.example", "a".repeat(65));
        let label = format!("a@{}.example", "b".repeat(64));
        for text in [
            "",
            "bob",
            "bob@",
            "@acme.example",
            "bob@acme",
            "bob@acme.example.",
            "bob@@acme.example",
            "b b@acme.example",
            "\"bob\"@acme.example",
            "bob@[10.0.0.1]",
            "Bob <bob@acme.example>",
            ".bob@acme.example",
            "bob.@acme.example",
            "b..b@acme.example",
            "bob@-acme.example",
            "bob@acme-.example",
            "bob@acme..example",
            "bób@acme.example",
            "bob@acmé.example",
            "bob@acme_corp.example",
            " bob@acme.example",
            "bob@acme.example\n",
            "a,b@acme.example",
            "mailto:bob@acme.example",
            &long,
            &label,
        ] {
            let error = Email::parse(text).unwrap_err();
            assert!(error.contains("bob@acme.example"), "{error}");
            assert!(error.len() < 200, "{error}");
        }
    }

    #[test]
    fn refused_address_names_the_character() {
        for (text, cause) in [
            ("mailto:bob@acme.example", "begins with mailto:"),
            ("MAILTO:bob@acme.example", "begins with mailto:"),
            ("a,b@acme.example", "has ',' before the @"),
            ("smtp:bob@acme.example", "has ':' before the @"),
        ] {
            assert!(Email::parse(text).unwrap_err().contains(cause), "{text}: {:?}", Email::parse(text));
        }
    }

    #[test]
    fn the_longest_address_has_254_characters() {
        let domain = format!("{}.{}.{}.example", "d".repeat(60), "e".repeat(60), "f".repeat(60));
        let address = format!("{}@{domain}", "a".repeat(254 - 1 - domain.len()));
        assert_eq!(address.len(), 254);
        assert!(Email::parse(&address).is_ok());
        assert!(Email::parse(&format!("a{address}")).is_err());
    }

    #[test]
    fn subdomain_is_matched_by_whole_labels() {
        let domain = |text| Domain::parse(text).unwrap();
        assert!(domain("mail.host.example").is_within(&domain("host.example")));
        assert!(domain("host.example").is_within(&domain("host.example")));
        assert!(!domain("evilhost.example").is_within(&domain("host.example")));
        assert!(!domain("host.example").is_within(&domain("mail.host.example")));
    }

    #[test]
    fn a_domain_in_a_list_is_lower_case() {
        assert!(Domain::parse("Acme.example").is_err());
        assert!(Domain::parse("acme").is_err());
        assert!(Domain::parse("*.acme.example").is_err());
        assert!(Domain::parse("acme.example").is_ok());
    }

    proptest::proptest! {
        #[test]
        fn parsed_address_parses_again_and_parsing_never_panics(text in "\\PC{0,40}") {
            if let Ok(email) = Email::parse(&text) {
                proptest::prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
                proptest::prop_assert!(Domain::parse(email.domain().as_str()).is_ok());
            }
        }
    }
}
