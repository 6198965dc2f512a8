//! Nearly valid specs: valid ones with a few mistakes. A seed reproduces each failure.

use serde_json::{Map, Value, json};

/// A small random number generator (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most.max(1) as u64).unwrap()
    }

    /// True with a probability of one in `times`.
    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Characters that rules and engines treat differently: spaces of all sorts, look-alikes, letters with an ASCII lower
/// case, and line terminators.
const SLIPS: [&str; 43] = [
    " ", "\t", "\n", "\r", "\"", "'", "<", ">", "(", ")", "[", "]", "@", ".", ",", "-", "_", "+", "*", "%", "\\", "/",
    ":", "Z", "z", "T", "0", "9", "é", "ß", "İ", "ı", "ſ", "\u{212a}", "\u{200b}", "\u{a0}", "\u{85}", "\u{2028}",
    "\u{feff}", "\u{0}", "😀", "٣", "１",
];

const ADDRESSES: [&str; 8] = [
    "bob@acme.example",
    "Bob.O'Neil+tag@ACME.example",
    "a@b.c",
    "alice@host.example",
    "x@xn--bcher-kva.example",
    "1@2.3",
    "!#$%&'*+/=?^_`{|}~-@a-b.example",
    "k@host.example",
];
const TIMES: [&str; 9] = [
    "2027-06-30T00:00:00Z",
    "2028-02-29T23:59:59.5+02:00",
    "2027-02-29T00:00:00Z",
    "2000-02-29T00:00:00-23:59",
    "1900-02-29T00:00:00Z",
    "9998-12-31T23:59:59.999999999-23:59",
    "9999-01-01T00:00:00Z",
    "0000-01-01T00:00:00+23:59",
    "2027-04-31T00:00:00Z",
];
const DURATIONS: [&str; 11] =
    ["72h", "1h30m", "90s", "0s", "24h", "720h", "720h0m1s", "43200m", "2592001s", "999999h999999m999999s", "0h0m0s"];
const DOMAINS: [&str; 6] = ["acme.example", "a.b", "xn--a.example", "1.2", "a-b.c-d.example", "host.example"];
const WORDS: [&str; 14] = [
    "Never",
    "Unmarked",
    "Block",
    "Cascade",
    "Owner",
    "Manager",
    "Collaborator",
    "GuestAdmin",
    "GuestUser",
    "TOTP",
    "WebAuthn",
    "SMS",
    "true",
    "",
];
/// Names as people write and paste them, and invalid ones.
const SHOWN: [&str; 20] = [
    "Acme",
    "Bob O'Neil",
    "山田　太郎",
    "",
    " ",
    "\u{a0}",
    "\u{3000}\u{2800}",
    "a\u{202e}b",
    "a\u{2066}b",
    "\u{1b}[2Ja",
    "a\nb",
    "a\0",
    "a\u{7f}",
    "a\u{9b}",
    "a\u{200d}b",
    "\u{feff}a",
    "a\u{e0041}",
    "\u{e000}",
    "❤\u{fe0f}",
    "\u{fe0f}",
];
const NAMES: [&str; 6] = ["bob", "carol", "dave", "erin", "Bob", "b b"];

/// A text of a sort, mostly valid.
fn slipped(dice: &mut Dice, from: &[&str]) -> String {
    let mut text: Vec<char> = dice.pick(from).chars().collect();
    if !dice.one_in(9) {
        return text.into_iter().collect();
    }
    for _ in 0..=dice.below(2) {
        let at = dice.below(text.len() + 1);
        match dice.below(7) {
            0 if at < text.len() => drop(text.remove(at)),
            1 if at < text.len() => text.insert(at, text[at]),
            2 if at + 1 < text.len() => text.swap(at, at + 1),
            3 if at < text.len() && text[at].is_ascii() => {
                text[at] = if text[at].is_ascii_uppercase() {
                    text[at].to_ascii_lowercase()
                } else {
                    text[at].to_ascii_uppercase()
                };
            }
            4 => {
                // Around the limits of labels, local parts, domains, addresses and fields.
                let length = *dice.pick(&[60, 61, 62, 63, 64, 65, 180, 240, 250, 253, 254, 255, 256, 500, 513]);
                let filler = if dice.one_in(3) { "b.".repeat(length / 2) } else { "b".repeat(length) };
                let room = length.saturating_sub(text.len());
                text.splice(at..at, filler.chars().take(room));
            }
            _ => text.splice(at..at, dice.pick(&SLIPS).chars()).for_each(drop),
        }
    }
    text.into_iter().collect()
}

/// The value itself, or rarely one of another type.
fn typed(dice: &mut Dice, value: Value) -> Value {
    if !dice.one_in(60) {
        return value;
    }
    dice.pick(&[
        json!(null),
        json!("true"),
        json!(0),
        json!(1.5),
        json!([]),
        json!({}),
        json!(true),
        json!([null]),
        json!(""),
    ])
    .clone()
}

fn text(dice: &mut Dice, from: &[&str]) -> Value {
    let text = json!(slipped(dice, from));
    typed(dice, text)
}

fn list(dice: &mut Dice, most: usize, mut item: impl FnMut(&mut Dice) -> Value) -> Value {
    let mut items: Vec<Value> = (0..dice.below(most + 1)).map(|_| item(dice)).collect();
    if let (true, Some(first)) = (dice.one_in(12), items.first().cloned()) {
        items.push(match first {
            Value::String(text) if dice.one_in(2) => json!(text.to_uppercase()),
            first => first,
        });
    }
    let items = json!(items);
    typed(dice, items)
}

/// Adds a field, half of the time.
fn maybe(dice: &mut Dice, map: &mut Map<String, Value>, name: &str, make: impl FnOnce(&mut Dice) -> Value) {
    if dice.one_in(2) {
        let value = make(dice);
        map.insert(name.to_owned(), value);
    }
}

fn flag(dice: &mut Dice) -> Value {
    let flag = json!(dice.one_in(2));
    typed(dice, flag)
}

fn required(dice: &mut Dice) -> Value {
    let flag = json!(!dice.one_in(12));
    typed(dice, flag)
}

/// A name, mostly valid.
fn shown(dice: &mut Dice) -> Value {
    let from = if dice.one_in(4) { &SHOWN[..] } else { &SHOWN[..3] };
    text(dice, from)
}

fn methods(dice: &mut Dice) -> Value {
    list(dice, 2, |dice| if dice.one_in(16) { text(dice, &WORDS) } else { json!(dice.pick(&["TOTP", "WebAuthn"])) })
}

fn mfa(dice: &mut Dice, enrols: bool) -> Value {
    let mut map = Map::new();
    maybe(dice, &mut map, "required", required);
    maybe(dice, &mut map, "methods", methods);
    if enrols {
        maybe(dice, &mut map, "enrolWithin", |dice| text(dice, &DURATIONS));
    }
    slip_of_a_field(dice, &mut map);
    let map = json!(map);
    typed(dice, map)
}

/// Adds an unknown field now and then.
fn slip_of_a_field(dice: &mut Dice, map: &mut Map<String, Value>) {
    if dice.one_in(80) {
        map.insert(dice.pick(&["mfa2", "hostadmins", "Email", "", "a.b", "-"]).to_string(), json!("x"));
    }
}

fn partner(dice: &mut Dice) -> Value {
    let mut map = Map::new();
    maybe(dice, &mut map, "displayName", shown);
    if !dice.one_in(12) {
        let most = if dice.one_in(12) { 70 } else { 3 };
        map.insert("hostAdmins".to_owned(), list(dice, most, |dice| text(dice, &ADDRESSES)));
    }
    maybe(dice, &mut map, "mfa", |dice| mfa(dice, true));
    maybe(dice, &mut map, "invitations", |dice| {
        let mut map = Map::new();
        maybe(dice, &mut map, "expireAfter", |dice| text(dice, &DURATIONS));
        json!(map)
    });
    maybe(dice, &mut map, "guests", |dice| {
        let mut map = Map::new();
        maybe(dice, &mut map, "allowedDomains", |dice| list(dice, 3, |dice| text(dice, &DOMAINS)));
        if dice.one_in(4) {
            map.insert("deniedDomains".to_owned(), list(dice, 3, |dice| text(dice, &DOMAINS)));
        }
        maybe(dice, &mut map, "maxGuests", |dice| {
            let number = *dice.pick(&[0, -1, 1_000_000, 1_000_001, i64::MIN, i64::MAX, 5]);
            typed(dice, json!(number))
        });
        maybe(dice, &mut map, "maxDuration", |dice| text(dice, &DURATIONS));
        slip_of_a_field(dice, &mut map);
        json!(map)
    });
    maybe(dice, &mut map, "suspended", flag);
    maybe(dice, &mut map, "expiresAt", |dice| text(dice, &TIMES));
    maybe(dice, &mut map, "adoption", |dice| text(dice, &WORDS[..4]));
    maybe(dice, &mut map, "deletion", |dice| text(dice, &WORDS[..4]));
    slip_of_a_field(dice, &mut map);
    json!(map)
}

/// Adds a required field.
fn needed(dice: &mut Dice, map: &mut Map<String, Value>, name: &str, value: Value) {
    if !dice.one_in(60) {
        map.insert(name.to_owned(), value);
    }
}

fn reference(dice: &mut Dice) -> Value {
    let mut map = Map::new();
    let name = text(dice, &NAMES);
    needed(dice, &mut map, "name", name);
    let map = json!(map);
    typed(dice, map)
}

fn membership(dice: &mut Dice) -> Value {
    let mut map = Map::new();
    let (partner, email, inviter) = (reference(dice), text(dice, &ADDRESSES), text(dice, &ADDRESSES));
    needed(dice, &mut map, "partnerRef", partner);
    needed(dice, &mut map, "email", email);
    needed(dice, &mut map, "invitedBy", inviter);
    maybe(dice, &mut map, "displayName", shown);
    maybe(dice, &mut map, "role", |dice| text(dice, &WORDS[7..9]));
    maybe(dice, &mut map, "mfa", |dice| mfa(dice, false));
    maybe(dice, &mut map, "suspended", flag);
    maybe(dice, &mut map, "expiresAt", |dice| text(dice, &TIMES));
    slip_of_a_field(dice, &mut map);
    json!(map)
}

fn entry(dice: &mut Dice, propagates: bool, role: bool) -> Value {
    let mut map = Map::new();
    let name = text(dice, &NAMES);
    needed(dice, &mut map, "name", name);
    if propagates {
        let by = text(dice, &NAMES);
        needed(dice, &mut map, "propagatedBy", by);
    }
    maybe(dice, &mut map, "email", |dice| text(dice, &ADDRESSES));
    if role {
        let role = text(dice, &WORDS[4..7]);
        needed(dice, &mut map, "role", role);
    } else if propagates {
        maybe(dice, &mut map, "role", |dice| text(dice, &WORDS[4..7]));
    }
    slip_of_a_field(dice, &mut map);
    let map = json!(map);
    typed(dice, map)
}

fn share(dice: &mut Dice) -> Value {
    let mut map = Map::new();
    let (partner, account, sharer) = (
        reference(dice),
        text(dice, &["instagram-main", "instagram", "x", "main", "y", " ", "z", "a\u{202e}"]),
        text(dice, &ADDRESSES),
    );
    needed(dice, &mut map, "partnerRef", partner);
    needed(dice, &mut map, "account", account);
    needed(dice, &mut map, "sharedBy", sharer);
    maybe(dice, &mut map, "guestAdminRole", |dice| text(dice, &WORDS[4..7]));
    maybe(dice, &mut map, "guestUsers", |dice| list(dice, 3, |dice| entry(dice, true, false)));
    maybe(dice, &mut map, "roleOverrides", |dice| list(dice, 3, |dice| entry(dice, false, true)));
    maybe(dice, &mut map, "exclude", |dice| list(dice, 3, |dice| entry(dice, false, false)));
    maybe(dice, &mut map, "mfa", |dice| mfa(dice, false));
    maybe(dice, &mut map, "suspended", flag);
    maybe(dice, &mut map, "expiresAt", |dice| text(dice, &TIMES));
    slip_of_a_field(dice, &mut map);
    json!(map)
}

/// An object of one of the kinds, named by its number.
pub fn object(dice: &mut Dice, number: usize) -> Value {
    let (kind, spec) = match dice.below(3) {
        0 => ("LocalPartner", partner(dice)),
        1 => ("GuestMembership", membership(dice)),
        _ => ("AccountShare", share(dice)),
    };
    let long = *dice.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 63, 64, 253]);
    let name = format!("c{number}");
    let name = format!("{name}{}", "n".repeat(long.max(name.len()) - name.len()));
    json!({ "apiVersion": "guestlist.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}
