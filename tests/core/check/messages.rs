//! Messages name the cause and the required format.

use crate::support::check::check;

const PARTNER: &str = "apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {name: acme}\n";
const BOB: &str = "apiVersion: guestlist.dev/v1alpha1\nkind: GuestMembership\n";
const SPEC: &str = "spec: {partnerRef: {name: acme}, email: bob@acme.example, invitedBy: alice@host.example}";

/// The messages about these objects, one a line, each with its severity and path.
fn said(text: &str) -> String {
    let (_, report) = check(text);
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let line =
        |it: &serde_json::Value| format!("{} {}: {}", text(&it["severity"]), text(&it["path"]), text(&it["message"]));
    findings.map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn value_of_another_type_shows_the_form_of_the_field() {
    let spec = |spec: &str| format!("{PARTNER}spec: {{hostAdmins: [alice@host.example], {spec}}}");
    let bob = |annotation: &str| format!("{BOB}metadata: {{name: bob, annotations: {{{annotation}}}}}\n{SPEC}");
    let time = "write an RFC 3339 time in quotes, as \"2027-06-30T00:00:00Z\"";
    for (text, words) in [
        (spec("mfa: {enrolWithin: 168}"), "not the number 168; write a duration with its unit, as 168h"),
        (spec("guests: {maxDuration: 720}"), "write a duration with its unit, as 168h"),
        (spec("invitations: {expireAfter: 72}"), "write a duration with its unit, as 168h"),
        (spec("expiresAt: 1798761600"), time),
        (spec("displayName: 5"), "not the number 5; put it in quotes"),
        (bob("guestlist.dev/reset-mfa: 1798761600"), time),
        (bob("guestlist.dev/resend-invitation: true"), time),
        (bob("guestlist.dev/paused: true"), "put it in quotes"),
        (spec("mfa: {enrolWithin: 1000000h}"), "\"1000000h\" is too long; the longest duration here is 720h"),
        (spec("invitations: {expireAfter: 1000000h}"), "the longest duration here is 8760h"),
        (spec("expiresAt: '2027-06-30T00:00:60Z'"), "leap second"),
        (format!("{BOB}metadata: {{name: bob}}\n{}", SPEC.replace("{name: acme}", "acme")), "write {name: acme}"),
        (
            format!("{BOB}metadata: {{name: bob}}\n{}", SPEC.replace("partnerRef: {name: acme}", "partner: acme")),
            "there is no field \"partner\"; did you mean partnerRef?",
        ),
        (format!("{BOB}metadata: {{name: bob}}\n{}", SPEC.replace("bob@", "mailto:bob@")), "begins with mailto:"),
    ] {
        assert!(said(&text).contains(words), "{text}: {}", said(&text));
    }
}

#[test]
fn reference_to_an_impossible_name_says_so() {
    let bob = format!("{BOB}metadata: {{name: bob}}\n{}", SPEC.replace("{name: acme}", "{name: Acme}"));
    assert!(
        said(&bob).contains("warning spec.partnerRef.name: no object can have the name \"Acme\""),
        "{}",
        said(&bob)
    );
    let share = format!(
        "{PARTNER}spec: {{hostAdmins: [alice@host.example]}}\n---\n{}\nmetadata: {{name: s}}\nspec: {{partnerRef: {{name: acme}}, account: a, sharedBy: alice@host.example, exclude: [{{name: Bob}}]}}",
        BOB.replace("GuestMembership", "AccountShare").trim()
    );
    assert!(
        said(&share).contains("warning spec.exclude[0].name: no object can have the name \"Bob\""),
        "{}",
        said(&share)
    );
}

#[test]
fn label_in_place_of_an_annotation_is_a_warning() {
    let bob = format!("{BOB}metadata: {{name: bob, labels: {{guestlist.dev/paused: 'true', a: b}}}}\n{SPEC}");
    let said = said(&bob);
    assert!(said.contains("warning metadata.labels.guestlist.dev/paused: the label"), "{said}");
    assert!(said.contains("move it to metadata.annotations") && !said.contains("labels.a"), "{said}");
}
