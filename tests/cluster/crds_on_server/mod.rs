//! The CRDs on a real API server: each rule that one object decides refuses with its reason and accepts the limit. All
//! violations are reported at once, full objects fit, and immutable fields do not change.
mod cases;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use crate::support::controlplane::ControlPlane;
use guestlist::api::{
    AccountShare, AccountShareSpec, GuestMembership, GuestMembershipSpec, LocalPartner, LocalPartnerSpec,
};
use guestlist::domain::Reason;
use guestlist::validation::spec;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");

fn plane() -> &'static ControlPlane {
    static PLANE: OnceLock<ControlPlane> = OnceLock::new();
    PLANE.get_or_init(|| {
        let plane = ControlPlane::start_shared();
        plane.kubectl(&["apply", "--server-side", "--warnings-as-errors", "-f", CRDS]).ok();
        plane.kubectl(&["wait", "--for=condition=Established", "--timeout=4m", "crd", "--all"]).ok();
        plane
    })
}

async fn client() -> Client {
    let file = Kubeconfig::read_from(plane().kubeconfig()).unwrap();
    Client::try_from(kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap()).unwrap()
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Partner,
    Membership,
    Share,
}

impl Kind {
    fn resource(self) -> ApiResource {
        match self {
            Self::Partner => ApiResource::erase::<LocalPartner>(&()),
            Self::Membership => ApiResource::erase::<GuestMembership>(&()),
            Self::Share => ApiResource::erase::<AccountShare>(&()),
        }
    }

    fn base(self) -> Value {
        match self {
            Self::Partner => json!({ "hostAdmins": ["alice@host.example"] }),
            Self::Membership => {
                json!({ "partnerRef": {"name": "acme"}, "email": "bob@acme.example", "invitedBy": "alice@host.example" })
            }
            Self::Share => {
                json!({ "partnerRef": {"name": "acme"}, "account": "instagram-main", "sharedBy": "alice@host.example" })
            }
        }
    }

    /// The minimal spec, with some fields replaced.
    fn spec(self, fields: &Value) -> Value {
        let mut spec = self.base();
        for (key, value) in fields.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    }

    /// The reasons that guestlist reports for the spec.
    fn words(self, spec: &Value) -> BTreeSet<Reason> {
        let violations = match self {
            Self::Partner => {
                spec::partner(&serde_json::from_value::<LocalPartnerSpec>(spec.clone()).unwrap()).violations
            }
            Self::Membership => {
                spec::membership(&serde_json::from_value::<GuestMembershipSpec>(spec.clone()).unwrap()).violations
            }
            Self::Share => spec::share(&serde_json::from_value::<AccountShareSpec>(spec.clone()).unwrap()).violations,
        };
        violations.into_iter().map(|violation| violation.reason).collect()
    }

    fn api(self, client: &Client) -> Api<DynamicObject> {
        Api::default_namespaced_with(client.clone(), &self.resource())
    }

    fn object(self, name: &str, spec: &Value) -> DynamicObject {
        let resource = self.resource();
        serde_json::from_value(json!({
            "apiVersion": resource.api_version, "kind": resource.kind, "metadata": { "name": name }, "spec": spec,
        }))
        .unwrap()
    }
}

/// The server's error for a spec, without storing it. `None`: the server accepts it.
async fn refusal(client: &Client, kind: Kind, spec: &Value) -> Option<String> {
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    match kind.api(client).create(&dry, &kind.object("case", spec)).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => Some(status.message.clone()),
        Err(other) => panic!("{other}"),
    }
}

/// The reasons in a message of the server.
fn words(message: &str) -> BTreeSet<Reason> {
    let words =
        message.split(|c: char| !c.is_ascii_alphanumeric() && c != ':').filter_map(|word| word.strip_suffix(':'));
    words.filter_map(Reason::parse).collect()
}

#[tokio::test]
async fn the_server_and_the_reading_of_specs_say_the_same_words() {
    let client = client().await;
    let (mut refused, mut accepted) = (BTreeSet::new(), 0);
    for (kind, fields) in cases::cases() {
        let spec = kind.spec(&fields);
        let told = refusal(&client, kind, &spec).await;
        let said = told.as_deref().map(words).unwrap_or_default();
        assert_eq!(said, kind.words(&spec), "{kind:?} {fields}: {told:?}");
        assert_eq!(told.is_some(), !said.is_empty(), "{kind:?} {fields}: {told:?}");
        if said.is_empty() {
            accepted += 1;
        }
        refused.extend(said);
    }
    let rules = [
        Reason::InvalidValue,
        Reason::HostAdminRequired,
        Reason::MfaCannotBeWaived,
        Reason::MfaMethodNotAllowed,
        Reason::MfaDeadlineTooLong,
        Reason::InvalidEmail,
        Reason::DomainListsExclusive,
        Reason::OwnerNeverShared,
        Reason::ManagerNeedsGuestAdmin,
    ];
    assert_eq!(refused, BTreeSet::from(rules), "every rule was seen to refuse");
    assert!(accepted > 50, "{accepted}");
}

#[tokio::test]
async fn partner_without_host_admins_is_refused_with_the_reason() {
    let client = client().await;
    let told = refusal(&client, Kind::Partner, &json!({ "displayName": "Acme" })).await.unwrap();
    assert!(told.contains("spec.hostAdmins: Invalid value: HostAdminRequired:"), "{told}");
    let long = Kind::Partner.object(&"a".repeat(64), &Kind::Partner.base());
    let told = Kind::Partner.api(&client).create(&PostParams::default(), &long).await.unwrap_err().to_string();
    assert!(told.contains("InvalidValue: metadata.name"), "{told}");
}

#[tokio::test]
async fn all_violations_are_returned_at_once_with_their_fields() {
    let client = client().await;
    let spec = json!({
        "hostAdmins": ["a@host.example", "A@host.example", "nobody"],
        "mfa": {"required": false, "methods": ["SMS"], "enrolWithin": "721h"},
        "invitations": {"expireAfter": "7d"},
        "guests": {"allowedDomains": [], "deniedDomains": ["A.example"], "maxGuests": -1},
        "expiresAt": "soon", "adoption": "Always", "deletion": "",
    });
    let told = refusal(&client, Kind::Partner, &spec).await.unwrap();
    for place in [
        "hostAdmins: Invalid value: InvalidValue",
        "hostAdmins[2]",
        "mfa.required",
        "mfa.methods[0]",
        "mfa.enrolWithin",
        "invitations.expireAfter",
        "guests.allowedDomains",
        "guests.deniedDomains[0]",
        "guests.deniedDomains: Invalid value: DomainLists",
        "guests.maxGuests",
        "expiresAt",
        "adoption",
        "deletion",
    ] {
        assert!(told.contains(&format!("spec.{place}")), "{place} is not in {told}");
    }
    assert!(!told.contains("were not checked"), "{told}");
}

#[tokio::test]
async fn full_objects_fit_also_when_they_are_updated() {
    let client = client().await;
    let email = |i: usize| format!("{}{i:04}@{}.example", "a".repeat(60), "b".repeat(63));
    let list = |more: Value| -> Vec<Value> {
        (0..1000)
            .map(|i| {
                let mut entry = json!({ "name": format!("{}{i:04}", "n".repeat(59)), "email": email(i) });
                entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                entry
            })
            .collect()
    };
    let share = Kind::Share.spec(&json!({
        "guestUsers": list(json!({ "propagatedBy": "n".repeat(63), "role": "Collaborator" })),
        "roleOverrides": list(json!({ "role": "Collaborator" })),
        "exclude": list(json!({})),
    }));
    let domain =
        |i: usize| format!("{}.{}.{}.{i:03}.{}", "d".repeat(63), "e".repeat(63), "f".repeat(63), "g".repeat(40));
    let partner = json!({
        "hostAdmins": (0..32).map(email).collect::<Vec<_>>(),
        "guests": { "allowedDomains": (0..100).map(domain).collect::<Vec<_>>() },
    });
    for (kind, spec) in [(Kind::Share, share), (Kind::Partner, partner)] {
        let api = kind.api(&client);
        let made = api.create(&PostParams::default(), &kind.object("full", &spec)).await;
        made.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        let patch = Patch::Merge(json!({ "spec": { "suspended": true } }));
        api.patch("full", &PatchParams::default(), &patch).await.unwrap();
    }
}

#[tokio::test]
async fn immutable_field_cannot_be_cleared_either() {
    let client = client().await;
    for (kind, field, other) in [
        (Kind::Membership, "email", json!("carol@acme.example")),
        (Kind::Membership, "partnerRef", json!({"name": "globex"})),
        (Kind::Share, "account", json!("another")),
        (Kind::Share, "partnerRef", json!({"name": "globex"})),
    ] {
        let api = kind.api(&client);
        let name = format!("fixed-{}", field.to_lowercase());
        api.create(&PostParams::default(), &kind.object(&name, &kind.base())).await.unwrap();
        let told = api
            .patch(&name, &PatchParams::default(), &Patch::Merge(json!({ "spec": { field: other } })))
            .await
            .unwrap_err()
            .to_string();
        assert!(told.contains("Immutable:"), "{told}");
        let mut tricks = vec![json!({ "spec": null }), json!({ "spec": { field: null } })];
        if field == "partnerRef" {
            tricks.push(json!({ "spec": { "partnerRef": { "name": null } } }));
        }
        for trick in tricks {
            let told = api.patch(&name, &PatchParams::default(), &Patch::Merge(&trick)).await;
            assert!(told.is_err(), "{trick}");
        }
        let suspended = Patch::Merge(json!({ "spec": { "suspended": true } }));
        api.patch(&name, &PatchParams::default(), &suspended).await.unwrap();
    }
}

#[tokio::test]
async fn second_apply_changes_nothing_and_adds_no_omitted_field() {
    let client = client().await;
    for kind in [Kind::Partner, Kind::Membership, Kind::Share] {
        let api = kind.api(&client);
        let apply = PatchParams::apply("pipeline");
        let object = kind.object("quiet", &kind.base());
        api.patch("quiet", &apply, &Patch::Apply(&object)).await.unwrap();
        // Until the operator's first status, another write stores the default of the status.
        let status = Patch::Merge(json!({"status": {"observedGeneration": 1}}));
        let first = api.patch_status("quiet", &PatchParams::default(), &status).await.unwrap();
        let second = api.patch("quiet", &apply, &Patch::Apply(&object)).await.unwrap();
        assert_eq!(first.metadata.resource_version, second.metadata.resource_version);
        assert_eq!(second.data["spec"], kind.base());
    }
}

#[tokio::test]
async fn two_managers_apply_entries_side_by_side() {
    let client = client().await;
    let api = Kind::Share.api(&client);
    for (manager, guest) in [("one", "bob"), ("two", "carol")] {
        let spec = Kind::Share.spec(&json!({ "exclude": [{"name": guest}] }));
        api.patch("side", &PatchParams::apply(manager), &Patch::Apply(Kind::Share.object("side", &spec)))
            .await
            .unwrap();
    }
    let both = api.get("side").await.unwrap();
    assert_eq!(both.data["spec"]["exclude"], json!([{"name": "bob"}, {"name": "carol"}]));
}

#[test]
fn the_server_warns_about_nothing_and_a_second_apply_is_quiet() {
    let first = plane().kubectl(&["apply", "--server-side", "--warnings-as-errors", "-f", CRDS]).ok();
    assert_eq!(first.lines().count(), 3, "{first}");
    let versions = || plane().kubectl(&["get", "crd", "-o", "jsonpath={.items[*].metadata.resourceVersion}"]).ok();
    let before = versions();
    plane().kubectl(&["apply", "--server-side", "-f", CRDS]).ok();
    assert_eq!(versions(), before);
}

#[test]
fn kubectl_finds_the_kinds_by_short_name_category_and_field() {
    let partner = "apiVersion: guestlist.dev/v1alpha1\nkind: GuestMembership\nmetadata: {name: found}\nspec: {partnerRef: {name: by-field}, email: x@y.zz, invitedBy: a@b.cc, role: GuestAdmin}\n";
    plane().apply(partner);
    let get = |args: &[&str]| plane().kubectl(args).ok();
    let header = |text: String| text.lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let selector = "spec.partnerRef.name=by-field,spec.email=x@y.zz,spec.role=GuestAdmin";
    let rows = get(&["get", "gm", "--field-selector", selector]);
    assert_eq!(rows.lines().count(), 2, "{rows}");
    assert_eq!(header(rows), "NAME PARTNER EMAIL ROLE STATE MFA READY REASON AGE");
    assert!(get(&["get", "guestlist", "-o", "name"]).contains("guestmembership.guestlist.dev/found"));
    plane().kubectl(&["get", "share", "--field-selector", "spec.account=none,spec.partnerRef.name=none"]).ok();
    plane().kubectl(&["get", "lp"]).ok();
}

#[tokio::test]
async fn full_status_is_accepted_and_out_of_range_number_is_refused() {
    let client = client().await;
    let name = "observed";
    Kind::Membership
        .api(&client)
        .create(&PostParams::default(), &Kind::Membership.object(name, &Kind::Membership.base()))
        .await
        .unwrap();
    let api: Api<GuestMembership> = Api::default_namespaced(client.clone());
    let grant = json!({ "account": "a".repeat(256), "share": "s".repeat(63), "role": "Manager", "via": "GuestAdmin", "effective": true });
    let broken =
        json!({ "reason": "InvalidValue", "path": "spec.guestUsers[999].propagatedBy", "message": "ü".repeat(200) });
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "Active", "message": "m".repeat(200), "lastTransitionTime": "2027-06-30T00:00:00Z",
    });
    let status = json!({
        "observedGeneration": 1, "lastHandledReconcileAt": "x".repeat(200_000), "state": "Active", "conditions": [condition],
        "violations": vec![broken; 50], "violationCount": 3000, "accounts": vec![grant; 100], "accountCount": 5000,
        "mfa": { "enrolled": "Enrolled", "methods": ["TOTP", "WebAuthn"] },
    });
    let patch = |status: &Value| Patch::Merge(json!({ "status": status }));
    api.patch_status(name, &PatchParams::default(), &patch(&status)).await.unwrap();
    let read = api.get(name).await.unwrap().status.unwrap();
    assert_eq!((read.accounts.len(), read.violations.len()), (100, 50));
    for number in [json!(1e30), json!(-1), json!(u64::MAX)] {
        let told = api.patch_status(name, &PatchParams::default(), &patch(&json!({ "accountCount": number }))).await;
        assert!(matches!(told, Err(kube::Error::Api(_))), "{number}: {told:?}");
    }
}
