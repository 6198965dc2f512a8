//! Addresses and domains, with mistakes: they read by the form in the documentation, or are refused with their cause.

use guestlist::domain::{DisplayName, Domain, Email, is_dns_label, is_dns_name_part};

use crate::support::random::Random;

/// The number of texts in a run.
const TEXTS: u64 = 20_000;
const SIGNS: [&str; 14] = ["a", "Z", "0", "-", ".", "@", "+", "_", " ", "\"", ",", "ä", "x.y", "--"];

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    text.split('.').count() > 1 && text.split('.').all(is_label)
}

fn is_address(text: &str) -> bool {
    let is_atom = |atom: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c);
        !atom.is_empty() && atom.chars().all(fits)
    };
    text.len() <= 254
        && text.split_once('@').is_some_and(|(local, domain)| {
            (1..=64).contains(&local.len()) && local.split('.').all(is_atom) && is_domain(domain)
        })
}

fn text(random: &mut Random) -> String {
    let mut text = match random.below(4) {
        0 => format!("{}@{}.example", "a".repeat(60 + random.below(8)), "b".repeat(60 + random.below(8))),
        1 => format!("bob@{}", "c2345678.".repeat(27) + &"d".repeat(random.below(16))),
        _ => "bob.o'neil@mail.acme.example".to_owned(),
    };
    for _ in 0..random.below(4) {
        let at = random.below(text.len());
        if text.is_char_boundary(at) {
            text.insert_str(at, random.pick(&SIGNS));
        }
    }
    text
}

#[test]
fn generated_text_is_an_address_by_its_form() {
    let (mut read, mut refused) = (0, 0);
    for seed in 0..TEXTS {
        let text = text(&mut Random::new(seed));
        let found = Email::parse(&text);
        assert_eq!(found.is_ok(), is_address(&text), "{text}: {found:?}");
        match found {
            Ok(email) => {
                let lower = text.to_ascii_lowercase();
                assert_eq!(email.as_str(), lower);
                assert_eq!(Some(email.domain().as_str()), lower.split('@').nth(1));
                read += 1;
            }
            Err(_) => refused += 1,
        }
        let domain = text.split_once('@').map_or(text.as_str(), |(_, domain)| domain);
        let is_lower = domain.len() <= 253 && domain.to_ascii_lowercase() == domain;
        assert_eq!(Domain::parse(domain).is_ok(), is_domain(domain) && is_lower, "{domain}");
    }
    assert!(read > 1000 && refused > 1000, "{read} {refused}");
}

#[test]
fn refused_address_has_its_cause_and_an_example() {
    let long = |local: usize, label: usize| format!("{}@{}.example", "a".repeat(local), "b".repeat(label));
    for (text, cause) in [
        ("", "is empty"),
        ("bób@acme.example", "has characters outside ASCII (write an international domain as xn--…)"),
        (&"a".repeat(255), "is longer than 254 characters"),
        (&"a".repeat(254), "has no @"),
        ("a@b@acme.example", "has more than one @"),
        ("@acme.example", "needs 1 to 64 characters before the @"),
        (&long(65, 9), "needs 1 to 64 characters before the @"),
        ("MailTo:bob@acme.example", "begins with mailto:"),
        ("bob:b@acme.example", "has ':' before the @"),
        ("b\\b@acme.example", "has '\\\\' before the @"),
        ("b b@acme.example", "has quotes, brackets, spaces or misplaced dots before the @"),
        ("\"b\"@acme.example", "has quotes, brackets, spaces or misplaced dots before the @"),
        ("<b>@acme.example", "has quotes, brackets, spaces or misplaced dots before the @"),
        ("b..b@acme.example", "has quotes, brackets, spaces or misplaced dots before the @"),
        ("bob@acme.example.", "ends in a dot"),
        ("bob@acme", "has a domain without a dot"),
        ("bob@acme..example", "has a domain label that is empty or longer than 63 characters"),
        (&long(9, 64), "has a domain label that is empty or longer than 63 characters"),
        ("bob@-acme.example", "has a domain label that is not letters, digits and inner hyphens"),
        ("bob@acme-.example", "has a domain label that is not letters, digits and inner hyphens"),
        ("bob@ac_me.example", "has a domain label that is not letters, digits and inner hyphens"),
    ] {
        let error = Email::parse(text).unwrap_err();
        let expected = format!(" {cause}; write one mailbox as bob@acme.example");
        assert!(error.ends_with(&expected), "{text}: {error}");
    }
    for (text, cause) in [
        ("Acme.example", "has upper-case letters"),
        (&"a".repeat(254), "is longer than 253 characters"),
        (&"a".repeat(253), "has a domain without a dot"),
        ("acme.example.", "ends in a dot"),
    ] {
        let error = Domain::parse(text).unwrap_err();
        assert!(error.ends_with(&format!(" {cause}; write a plain lower-case domain as acme.example")), "{error}");
    }
}

/// All texts of at most four signs, and the longest ones.
#[test]
fn part_of_a_dns_name_has_inner_hyphens_alone() {
    let mut texts = vec![String::new()];
    for length in 0..4 {
        let longer = texts
            .iter()
            .filter(|text| text.len() == length)
            .flat_map(|text| ["a", "z", "0", "-", ".", "A", "_"].map(|sign| format!("{text}{sign}")));
        texts.extend(longer.collect::<Vec<_>>());
    }
    for text in texts {
        let inner = text.strip_prefix(['a', 'z', '0']).and_then(|rest| rest.strip_suffix(['a', 'z', '0']));
        let expected = match inner {
            Some(inner) => inner.chars().all(|sign| "az0-".contains(sign)),
            None => ["a", "z", "0"].contains(&text.as_str()),
        };
        assert_eq!((is_dns_name_part(&text), is_dns_label(&text)), (expected, expected), "{text:?}");
    }
    let long = |length: usize| "a".repeat(length);
    assert!(is_dns_label(&long(63)) && !is_dns_label(&long(64)) && is_dns_name_part(&long(64)));
}

#[test]
fn refused_name_says_where_its_hidden_character_is() {
    for (name, place) in [("\u{202e}a", 1), ("ä\u{202e}", 2), ("ab\u{7}c", 3)] {
        let error = DisplayName::parse(name).unwrap_err();
        assert!(error.contains(&format!(" at position {place}: ")), "{error}");
    }
}
