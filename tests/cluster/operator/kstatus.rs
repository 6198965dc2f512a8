//! The view of tools on an object: kstatus by Flux's library, health and actions by Argo CD's engine, `kubectl wait`, and
//! the exact columns of `kubectl get`.

use serde_json::Value;

use crate::support::gitops::{argocd, health, kstatus};
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

/// Object, the reason of its Ready condition, its kstatus, and its health in Argo CD.
const SAY: [(&str, &str, &str, &str); 17] = [
    ("lp/acme", "Reconciled", "Current", "Healthy"),
    ("lp/refused", "HostAdminNotAllowedHere", "Failed", "Degraded"),
    ("lp/waits", "HostAdminNotFound", "InProgress", "Progressing"),
    ("gm/active", "Active", "Current", "Healthy"),
    ("gm/joined", "Joined", "Current", "Healthy"),
    ("gm/invited", "Invited", "Current", "Healthy"),
    ("gm/late", "InvitationExpired", "Current", "Healthy"),
    ("gm/suspended", "Suspended", "Current", "Healthy"),
    ("gm/expired", "Expired", "Current", "Healthy"),
    ("gm/waits", "PartnerNotFound", "InProgress", "Progressing"),
    ("gm/refused", "DomainNotAllowed", "Failed", "Degraded"),
    ("gm/paused", "Paused", "InProgress", "Suspended"),
    ("share/instagram", "Reconciled", "Current", "Healthy"),
    ("share/missing", "AccountNotFound", "InProgress", "Progressing"),
    ("share/not-owned", "SharerNotOwner", "Failed", "Degraded"),
    ("share/twice", "DuplicateShare", "Failed", "Degraded"),
    ("gm/leaving", "Terminating", "Terminating", "Progressing"),
];

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
    let mut stage = Stage::start();
    settle(&stage);
    let partners = stage.partners();
    let seen = SAY.map(|(object, word, ..)| {
        partners.says(object, word);
        partners.get(object)
    });
    let found = kstatus(&seen).into_iter().zip(health(&seen));
    for (((object, _, status, wanted), (kstatus, health)), seen) in SAY.into_iter().zip(found).zip(&seen) {
        assert_eq!((kstatus.as_str(), health.as_str()), (status, wanted), "{object}: {seen:#}");
        let message = condition(seen, "Ready")["message"].as_str().unwrap_or_default().to_owned();
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
        partners.kubectl(&["wait", "--for=jsonpath={.status.lastHandledReconcileAt}=now", "--timeout=4m", object]).ok();
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
    actions(partners);

    // No operator has seen a new object, or a new version of an object.
    stage.operator.kill();
    stage.apply(&guest("new", "acme", ""));
    let partners = stage.partners();
    partners.patch("gm/invited", r#"{"spec":{"displayName":"Changed"}}"#);
    let seen = ["gm/new", "gm/invited"].map(|object| partners.get(object));
    assert_eq!(kstatus(&seen), ["InProgress", "InProgress"], "{seen:#?}");
    assert_eq!(health(&seen), ["Progressing", "Progressing"], "{seen:#?}");
}

/// Runs an action of Argo CD on a live object: the engine computes a patch, and the API server takes it.
#[track_caller]
fn act(partners: Place<'_>, object: &str, action: &str) -> Value {
    let live = [partners.get(object)];
    let enabled = argocd(&["actions"], &live).ok();
    assert!(enabled.lines().any(|name| name == action), "{action} of {object}: {enabled}");
    let patch = argocd(&["action", action], &live).ok();
    partners.patch(object, &patch);
    serde_json::from_str(&patch).unwrap()
}

/// The actions for Argo CD do what their names say.
fn actions(partners: Place<'_>) {
    act(partners, "gm/paused", "resume");
    partners.says("gm/paused", "Invited");
    act(partners, "gm/paused", "pause");
    partners.says("gm/paused", "Paused");
    let patch = act(partners, "share/instagram", "reconcile");
    let time = patch["metadata"]["annotations"]["guestlist.dev/reconcile-at"].as_str().unwrap().to_owned();
    partners.becomes("share/instagram", "/status/lastHandledReconcileAt", &time);
    let sent = |seen: &Value| seen["status"]["invitation"]["sentAt"].clone();
    let before = sent(&partners.get("gm/late"));
    act(partners, "gm/late", "resend-invitation");
    partners.shows("gm/late", "is invited again", |seen| sent(seen) != before);
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
