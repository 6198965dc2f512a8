//! Without a change nothing is written, neither to Kubernetes nor to the directory: for every kind in every state, and
//! after a restart.

use crate::support::harness::{BOB, CAROL, Stage, WORLD};

/// One object of each sort that could keep an operator busy: rejected, waiting, suspended, paused and expired, of each
/// kind.
const MORE: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: rejected, namespace: partners}
spec: {hostAdmins: [alice@elsewhere.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: waiting, namespace: partners}
spec: {hostAdmins: [nobody@host.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: suspended, namespace: partners}
spec: {hostAdmins: [dan@host.example], suspended: true, expiresAt: '2020-01-01T00:00:00Z'}
---
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: paused, namespace: partners, annotations: {guestlist.dev/paused: 'true'}}
spec: {hostAdmins: [dan@host.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: rejected, namespace: partners}
spec: {partnerRef: {name: acme}, email: rejected@host.example, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: waiting, namespace: partners}
spec: {partnerRef: {name: missing}, email: waiting@acme.example, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: suspended, namespace: partners}
spec: {partnerRef: {name: acme}, email: suspended@acme.example, invitedBy: alice@host.example, suspended: true}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: expired, namespace: partners}
spec: {partnerRef: {name: acme}, email: expired@acme.example, invitedBy: alice@host.example, expiresAt: '2020-01-01T00:00:00Z'}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: paused, namespace: partners, annotations: {guestlist.dev/paused: 'true', guestlist.dev/reset-mfa: soon}}
spec: {partnerRef: {name: acme}, email: paused@acme.example, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: rejected, namespace: partners}
spec: {partnerRef: {name: acme}, account: instagram, sharedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: waiting, namespace: partners}
spec: {partnerRef: {name: acme}, account: missing, sharedBy: alice@host.example, roleOverrides: [{name: nobody, role: Manager}]}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: suspended, namespace: partners}
spec: {partnerRef: {name: acme}, account: tiktok, sharedBy: dan@host.example, suspended: true}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: paused, namespace: partners, annotations: {guestlist.dev/paused: 'true'}}
spec: {partnerRef: {name: suspended}, account: tiktok, sharedBy: dan@host.example}
";

/// The reasons of their conditions after convergence.
const SAY: [(&str, &str); 13] = [
    ("lp/rejected", "HostAdminNotAllowedHere"),
    ("lp/waiting", "HostAdminNotFound"),
    ("lp/suspended", "Reconciled"),
    ("lp/paused", "Paused"),
    ("gm/rejected", "HostDomain"),
    ("gm/waiting", "PartnerNotFound"),
    ("gm/suspended", "Suspended"),
    ("gm/expired", "Expired"),
    ("gm/paused", "Paused"),
    ("share/rejected", "DuplicateShare"),
    ("share/waiting", "AccountNotFound"),
    ("share/suspended", "Reconciled"),
    ("share/paused", "Paused"),
];

/// The directory's content without its leader: a start writes the leadership and nothing else.
fn content(stage: &Stage) -> String {
    if let Some(elsewhere) = &stage.operator.elsewhere {
        return elsewhere.held();
    }
    let connection = rusqlite::Connection::open(stage.operator.database()).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let tables: Vec<String> =
        connection.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut all = String::new();
    for table in tables {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
        let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for (index, name) in names.iter().enumerate().filter(|(_, name)| *name != "epoch") {
                let value: rusqlite::types::Value = row.get(index).unwrap();
                all += &format!("{table}.{name}={value:?} ");
            }
            all += "\n";
        }
    }
    all
}

/// The number of the operator's write requests so far, by the API server's count, without renewals of its Lease.
fn requests(stage: &Stage) -> usize {
    let log = stage.plane.audit_log();
    let writes = ["create", "update", "patch", "delete"].map(|verb| format!("\"verb\":\"{verb}\""));
    let ours = |line: &&str| {
        line.contains("system:serviceaccount:guestlist:guestlist")
            && !line.contains("\"leases\"")
            && writes.iter().any(|verb| line.contains(verb))
    };
    log.lines().filter(ours).count()
}

#[test]
fn resyncs_and_restart_at_rest_write_nothing_in_any_state() {
    let mut stage = Stage::prepare();
    stage.operator.resync = "1s";
    stage.operator.start();
    stage.settle();
    stage.apply(MORE);
    for (object, word) in SAY {
        stage.partners().says(object, word);
    }
    // Five resyncs, a second apart.
    stage.rests(12);
    let (before, held, asked) = (stage.versions(), content(&stage), requests(&stage));
    assert!(asked > 20, "the operator's requests are counted: {asked}");
    stage.rests(12);
    assert_eq!((stage.versions(), requests(&stage)), (before.clone(), asked), "{}", stage.operator.log());
    // An annotation without effect is logged once, not at each resync.
    let log = stage.operator.log();
    let said = |line: &&str| line.contains("partners/paused") && line.contains("\"soon\" is no time");
    assert_eq!(log.lines().filter(said).count(), 1, "{log}");

    stage.operator.kill();
    stage.operator.start();
    stage.rests(12);
    assert_eq!(stage.versions(), before, "a restart writes nothing: {}", stage.operator.log());
    assert_eq!(content(&stage), held, "nor to the directory");
    assert_eq!(requests(&stage), asked, "it does not even ask to: {}", stage.operator.log());
}

#[test]
fn the_same_manifest_applied_again_changes_nothing() {
    let stage = Stage::start();
    stage.settle();
    stage.rests(3);
    let before = stage.versions();
    stage.apply(WORLD);
    assert_eq!(stage.versions(), before, "server-side apply");
    // Client-side apply writes its annotation once; then it has no further effect.
    stage.plane.kubectl_with(&["apply", "-f", "-"], WORLD).ok();
    stage.rests(3);
    let before = stage.versions();
    stage.plane.kubectl_with(&["apply", "-f", "-"], WORLD).ok();
    stage.rests(3);
    assert_eq!(stage.versions(), before, "client-side apply");
    stage.partners().guest("carol", CAROL, "Active", &["instagram:Manager"]);
    stage.partners().guest("bob", BOB, "Active", &["instagram:Collaborator"]);
}
