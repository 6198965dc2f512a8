//! Specs around the limits of each rule that one object decides: the last valid value of a field, and the first invalid
//! one.

use serde_json::{Value, json};

use super::Kind;

/// The kind, and the fields that replace those of its minimal spec.
#[expect(clippy::too_many_lines, reason = "a list")]
pub fn cases() -> Vec<(Kind, Value)> {
    use Kind::{Membership, Partner, Share};
    let mut cases = Vec::new();
    let addresses = [
        "",
        "bob",
        "bob@acme",
        "bob@acme.example.",
        "b..b@acme.example",
        ".b@acme.example",
        "b.@acme.example",
        "bób@acme.example",
        "Bob <bob@acme.example>",
        "\"bob\"@acme.example",
        "b b@acme.example",
        "b@a@c.example",
        "b@-a.example",
        "b@a-.example",
        "b@a_b.example",
        "b@[127.0.0.1]",
        "B+tag@ACME.example",
        "b@xn--bcher-kva.example",
        "!#$%&'*+/=?^_`{|}~-@a.b",
        "b@1.2",
        "b@acme.example\n",
        "b@a..example",
    ];
    let mut addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.extend([64, 65].map(|n| format!("{}@acme.example", "a".repeat(n))));
    addresses.extend([63, 64].map(|n| format!("a@{}.example", "a".repeat(n))));
    let label = "d".repeat(60);
    // 64 characters before the @, and as many after it as make 254 or 255.
    addresses.extend([6, 7].map(|n| format!("{}@{label}.{label}.{label}.{}", "a".repeat(64), "x".repeat(n))));
    for address in &addresses {
        cases.push((Partner, json!({ "hostAdmins": ["alice@host.example", address] })));
        cases.push((Membership, json!({ "email": address })));
        cases.push((Membership, json!({ "invitedBy": address })));
        cases.push((Share, json!({ "sharedBy": address })));
        cases.push((Share, json!({ "exclude": [{"name": "e", "email": address}] })));
    }
    for count in [0, 1, 32, 33] {
        let admins: Vec<_> = (0..count).map(|i| format!("a{i}@host.example")).collect();
        cases.push((Partner, json!({ "hostAdmins": admins })));
    }
    cases.push((Partner, json!({ "hostAdmins": ["alice@host.example", "ALICE@host.example"] })));
    for time in [
        "",
        "2027-06-30",
        "2027-06-30T00:00:00Z",
        "2027-06-31T00:00:00Z",
        "2027-02-29T00:00:00Z",
        "2028-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2000-02-29T00:00:00Z",
        "2027-06-30T24:00:00Z",
        "2027-06-30T23:59:60Z",
        "2027-06-30T00:00:00+99:99",
        "2027-06-30T00:00:00-23:59",
        "2027-06-30T00:00:00.123456789Z",
        "2027-06-30T00:00:00.1234567890Z",
        "2027-06-30t00:00:00z",
        "9999-12-31T23:59:59Z",
        "9998-12-31T23:59:59-23:59",
        "0000-01-01T00:00:00+23:59",
        "2027-06-30 00:00:00Z",
        "2027-13-01T00:00:00Z",
        "2027-00-01T00:00:00Z",
        "2027-06-30T00:00:00Z\n",
        "soon",
        "20270630T000000Z",
        "2027-06-30T00:00:00",
    ] {
        for kind in [Partner, Membership, Share] {
            cases.push((kind, json!({ "expiresAt": time })));
        }
    }
    for duration in [
        "",
        "72h",
        "1h30m",
        "90s",
        "0s",
        "7d",
        "-1h",
        "1.5h",
        "30m1h",
        "h",
        "720h",
        "720h0m1s",
        "721h",
        "43200m",
        "43201m",
        "999999h",
        "1000000h",
        "999999h999999m999999s",
        "1H",
        "1h ",
        "000001h",
    ] {
        cases.push((Partner, json!({ "mfa": {"enrolWithin": duration} })));
        cases.push((Partner, json!({ "invitations": {"expireAfter": duration} })));
        cases.push((Partner, json!({ "guests": {"maxDuration": duration} })));
    }
    for word in [
        "",
        "Never",
        "Unmarked",
        "never",
        "Block",
        "Cascade",
        "Owner",
        "owner",
        "Manager",
        "Collaborator",
        "GuestAdmin",
        "GuestUser",
    ] {
        cases.push((Partner, json!({ "adoption": word })));
        cases.push((Partner, json!({ "deletion": word })));
        cases.push((Membership, json!({ "role": word })));
        cases.push((Share, json!({ "guestAdminRole": word })));
        cases.push((Share, json!({ "guestUsers": [{"name": "b", "propagatedBy": "c", "role": word}] })));
        cases.push((Share, json!({ "roleOverrides": [{"name": "d", "role": word}] })));
    }
    for methods in [
        json!([]),
        json!(["TOTP"]),
        json!(["TOTP", "WebAuthn"]),
        json!(["TOTP", "TOTP"]),
        json!(["SMS"]),
        json!(["totp"]),
    ] {
        for kind in [Partner, Membership, Share] {
            cases.push((kind, json!({ "mfa": {"methods": methods} })));
            cases.push((kind, json!({ "mfa": {"required": true, "methods": methods} })));
            cases.push((kind, json!({ "mfa": {"required": false} })));
        }
    }
    for domain in [
        "",
        "acme.example",
        "Acme.example",
        "acme",
        "*.acme.example",
        "acme.example.",
        "xn--a.example",
        "-a.example",
        "1.2",
    ] {
        cases.push((Partner, json!({ "guests": {"allowedDomains": [domain]} })));
        cases.push((Partner, json!({ "guests": {"deniedDomains": ["x.example", domain]} })));
    }
    for guests in [
        json!({"allowedDomains": []}),
        json!({"deniedDomains": []}),
        json!({"allowedDomains": ["a.b"], "deniedDomains": ["c.d"]}),
        json!({"allowedDomains": ["a.b", "a.b"]}),
        json!({"maxGuests": 0}),
        json!({"maxGuests": -1}),
        json!({"maxGuests": 1_000_000}),
        json!({"maxGuests": 1_000_001}),
        json!({}),
    ] {
        cases.push((Partner, json!({ "guests": guests })));
    }
    for account in ["", " ", "x", "Ünïcode account"] {
        cases.push((Share, json!({ "account": account })));
    }
    cases
}
