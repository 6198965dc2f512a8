//! The view of tools on an object: kstatus (Argo CD, Flux, `kubectl wait`), and the exact columns of `kubectl get`.

use serde_json::Value;

use crate::support::harness::{Place, Stage, condition};
use crate::support::operator::eventually;

/// A guest of the partner in each state that a spec and the guest can cause; and a share of each sort.
const OBJECTS: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {displayName: Acme Agency, hostAdmins: [alice@host.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: brief, namespace: partners}
spec: {hostAdmins: [alice@host.example], invitations: {expireAfter: 1s}}
---
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: refused, namespace: partners}
spec: {hostAdmins: [alice@elsewhere.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: waits, namespace: partners}
spec: {hostAdmins: [nobody@host.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: instagram, namespace: partners}
spec: {partnerRef: {name: acme}, account: instagram, sharedBy: alice@host.example, guestAdminRole: Manager, guestUsers: [{name: joined, propagatedBy: active}]}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: missing, namespace: partners}
spec: {partnerRef: {name: acme}, account: missing, sharedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: not-owned, namespace: partners}
spec: {partnerRef: {name: acme}, account: dans, sharedBy: alice@host.example}
";

/// A second share of one account; it is created after a guest has the account through the first.
const TWICE: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: twice, namespace: partners}
spec: {partnerRef: {name: acme}, account: instagram, sharedBy: alice@host.example}
";

/// Name, partner, and further fields of the spec.
const GUESTS: [(&str, &str, &str); 9] = [
    ("active", "acme", "role: GuestAdmin"),
    ("joined", "acme", ""),
    ("invited", "acme", ""),
    ("late", "brief", ""),
    ("suspended", "acme", "suspended: true"),
    ("expired", "acme", "expiresAt: '2020-01-01T00:00:00Z'"),
    ("waits", "nowhere", ""),
    ("refused", "acme", "mfa: {methods: []}"),
    ("paused", "acme", ""),
];

/// Object, the reason of its Ready condition, and its kstatus.
const SAY: [(&str, &str, &str); 17] = [
    ("lp/acme", "Reconciled", "Current"),
    ("lp/refused", "HostAdminNotAllowedHere", "Failed"),
    ("lp/waits", "HostAdminNotFound", "InProgress"),
    ("gm/active", "Active", "Current"),
    ("gm/joined", "Joined", "Current"),
    ("gm/invited", "Invited", "Current"),
    ("gm/late", "InvitationExpired", "Current"),
    ("gm/suspended", "Suspended", "Current"),
    ("gm/expired", "Expired", "Current"),
    ("gm/waits", "PartnerNotFound", "InProgress"),
    ("gm/refused", "DomainNotAllowed", "Failed"),
    ("gm/paused", "Paused", "InProgress"),
    ("share/instagram", "Reconciled", "Current"),
    ("share/missing", "AccountNotFound", "InProgress"),
    ("share/not-owned", "SharerNotOwner", "Failed"),
    ("share/twice", "DuplicateShare", "Failed"),
    ("gm/leaving", "Terminating", "Terminating"),
];

/// kstatus' rules for custom resources, in its order.
fn kstatus(object: &Value) -> &'static str {
    let is = |type_: &str, status: &str| condition(object, type_)["status"] == status;
    if object["metadata"]["deletionTimestamp"].is_string() {
        return "Terminating";
    }
    if object["status"]["observedGeneration"] != object["metadata"]["generation"] || is("Reconciling", "True") {
        return "InProgress";
    }
    if is("Stalled", "True") {
        return "Failed";
    }
    if is("Ready", "True") { "Current" } else { "InProgress" }
}

fn guest(name: &str, partner: &str, more: &str) -> String {
    let (comma, domain) = (if more.is_empty() { "" } else { ", " }, if name == "refused" { "denied" } else { "acme" });
    let more = if name == "refused" { "" } else { more };
    format!(
        "---\napiVersion: guestlist.dev/v1alpha1\nkind: GuestMembership\nmetadata: {{name: {name}, namespace: partners}}\n\
         spec: {{partnerRef: {{name: {partner}}}, email: {name}@{domain}.example, invitedBy: alice@host.example{}{more}}}\n",
        if more.is_empty() { "" } else { comma }
    )
}

/// Brings all objects into their states.
fn settle(stage: &Stage) {
    let partners = stage.partners();
    stage.operator.import("{accounts: [{name: dans, owners: [dan@host.example]}]}");
    let denied = OBJECTS.replace(
        "displayName: Acme Agency,",
        "displayName: Acme Agency, guests: {deniedDomains: [denied.example], maxGuests: 50},",
    );
    stage.apply(&denied);
    for (name, partner, more) in GUESTS {
        // Suspended and expired guests accepted first, and keep that record.
        stage.apply(&guest(name, partner, if name == "active" { more } else { "" }));
        if ["suspended", "expired"].contains(&name) {
            partners.guest(name, &format!("{name}@acme.example"), "Invited", &[]);
            stage.apply(&guest(name, partner, more));
        }
    }
    stage.apply(&guest("leaving", "acme", ""));
    partners.says("gm/leaving", "Invited");
    partners.patch("gm/leaving", r#"{"metadata":{"finalizers":["guestlist.dev/access","example.com/held"]}}"#);
    partners.begin_to_delete("gm/leaving");
    partners.says("gm/paused", "Invited");
    partners.annotate("gm/paused", "guestlist.dev/paused=true");
    stage.operator.joins_with_mfa("active@acme.example");
    partners.guest("active", "active@acme.example", "Active", &["instagram:Manager"]);
    stage.apply(TWICE);
    stage.operator.joins("joined@acme.example");
}

#[test]
fn each_state_maps_to_kstatus_and_shows_documented_columns() {
    let stage = Stage::start();
    settle(&stage);
    let partners = stage.partners();
    for (object, word, wanted) in SAY {
        partners.says(object, word);
        let seen = partners.get(object);
        assert_eq!(kstatus(&seen), wanted, "{object}: {seen:#}");
        let message = condition(&seen, "Ready")["message"].as_str().unwrap_or_default().to_owned();
        assert!((1..=200).contains(&message.chars().count()), "{object}: {message}");
    }
    // As pipelines wait: for Current, for Stalled, or for a reconcile that they requested.
    partners
        .kubectl(&[
            "wait",
            "--for=condition=Ready",
            "--timeout=10s",
            "lp/acme",
            "gm/invited",
            "gm/late",
            "share/instagram",
        ])
        .ok();
    partners
        .kubectl(&["wait", "--for=condition=Stalled", "--timeout=10s", "lp/refused", "gm/refused", "share/twice"])
        .ok();
    for object in ["lp/acme", "gm/active", "share/instagram"] {
        partners.annotate(object, "guestlist.dev/reconcile-at=now");
        partners
            .kubectl(&["wait", "--for=jsonpath={.status.lastHandledReconcileAt}=now", "--timeout=60s", object])
            .ok();
    }
    // A finalizer of another controller keeps the object, not the access: the guest is gone.
    assert_eq!(stage.operator.guest("leaving@acme.example"), None);

    columns(
        partners,
        "lp",
        "NAME DISPLAY_NAME GUESTS SHARES READY REASON AGE
         acme Acme_Agency 1/8 4 True Reconciled
         brief brief 0/1 0 True Reconciled
         refused refused 0/0 0 False HostAdminNotAllowedHere
         waits waits 0/0 0 False HostAdminNotFound",
    );
    columns(
        partners,
        "gm",
        "NAME PARTNER EMAIL ROLE STATE MFA READY REASON AGE
         active acme active@acme.example GuestAdmin Active Enrolled True Active
         expired acme expired@acme.example GuestUser Expired Unknown True Expired
         invited acme invited@acme.example GuestUser Invited Unknown True Invited
         joined acme joined@acme.example GuestUser Joined NotEnrolled True Joined
         late brief late@acme.example GuestUser InvitationExpired Unknown True InvitationExpired
         leaving acme leaving@acme.example GuestUser Terminating Unknown False Terminating
         paused acme paused@acme.example GuestUser Invited Unknown False Paused
         refused acme refused@denied.example GuestUser Rejected Unknown False DomainNotAllowed
         suspended acme suspended@acme.example GuestUser Suspended Unknown True Suspended
         waits nowhere waits@acme.example GuestUser Pending Unknown False PartnerNotFound",
    );
    columns(
        partners,
        "share",
        "NAME PARTNER ACCOUNT SHARED_BY ROLE GRANTS READY REASON AGE
         instagram acme instagram alice@host.example Manager 1/2 True Reconciled
         missing acme missing alice@host.example Collaborator 0/1 False AccountNotFound
         not-owned acme dans alice@host.example Collaborator 0/1 False SharerNotOwner
         twice acme instagram alice@host.example Collaborator 0/1 False DuplicateShare",
    );
}

/// Waits until `kubectl get` shows exactly this, without ages; `_` stands for a space inside a cell.
#[track_caller]
fn columns(partners: Place<'_>, kind: &str, wanted: &str) {
    let wanted: Vec<String> = wanted.lines().map(|line| line.trim().to_owned()).collect();
    eventually(&format!("kubectl get {kind}"), || {
        let printed = partners.kubectl(&["get", kind]).ok();
        let mut lines = printed.lines();
        let header = cells(lines.next().unwrap_or_default()).join(" ");
        let rows = lines.map(|line| {
            let cells = cells(line);
            cells[..cells.len() - 1].join(" ")
        });
        let seen: Vec<String> = std::iter::once(header).chain(rows).collect();
        if seen == wanted { Ok(()) } else { Err(printed) }
    });
}

fn cells(line: &str) -> Vec<String> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(|cell| cell.replace(' ', "_")).collect()
}
