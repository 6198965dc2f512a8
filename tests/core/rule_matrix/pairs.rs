//! The table: valid manifests, and for each rule a change in one place that the rule refuses, beside the nearest change
//! that it accepts. All stages use the same lines.

use guestlist::cache::Kind;
use guestlist::domain::Reason;
use guestlist::validation::{ReasonGroup, entry};

/// The manifests that each pair changes in one place: `find` is replaced.
pub const WORLD: &str = r#"
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners, creationTimestamp: "2027-01-01T00:00:00Z"}
spec:
  displayName: Acme Agency
  hostAdmins: [alice@host.example]
  mfa: {required: true, methods: [TOTP, WebAuthn], enrolWithin: 168h}
  invitations: {expireAfter: 72h}
  guests: {allowedDomains: [acme.example], maxGuests: 3, maxDuration: 876000h}
  expiresAt: "2037-06-30T00:00:00Z"
  adoption: Never
  deletion: Block
---
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: other, namespace: partners, creationTimestamp: "2027-01-01T00:00:01Z"}
spec:
  hostAdmins: [zoe@host.example, yan@agency.example]
---
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: third, namespace: partners, creationTimestamp: "2027-01-01T00:00:02Z"}
spec:
  hostAdmins: [tom@third.example, zoe@host.example]
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: carol, namespace: partners, creationTimestamp: "2027-01-01T00:00:03Z"}
spec:
  partnerRef: {name: acme}
  email: carol@acme.example
  role: GuestAdmin
  invitedBy: alice@host.example
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: bob, namespace: partners, creationTimestamp: "2027-01-01T00:00:04Z"}
spec:
  partnerRef: {name: acme}
  email: bob@acme.example
  role: GuestUser
  invitedBy: carol@acme.example
  mfa: {required: true, methods: [WebAuthn]}
  expiresAt: "2027-01-01T12:00:00Z"
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: stranger, namespace: partners, creationTimestamp: "2027-01-01T00:00:05Z"}
spec:
  partnerRef: {name: other}
  email: stranger@other.example
  role: GuestAdmin
  invitedBy: zoe@host.example
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: instagram, namespace: partners, creationTimestamp: "2027-01-01T00:00:06Z"}
spec:
  partnerRef: {name: acme}
  account: instagram
  sharedBy: alice@host.example
  guestAdminRole: Manager
  guestUsers:
  - {name: bob, propagatedBy: carol, role: Collaborator, email: bob@acme.example}
  roleOverrides:
  - {name: carol, role: Manager}
  exclude: []
  mfa: {methods: [WebAuthn]}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: newsletter, namespace: partners, creationTimestamp: "2027-01-01T00:00:07Z"}
spec:
  partnerRef: {name: acme}
  account: newsletter
  sharedBy: alice@host.example
"#;

/// The workspace policy of the platform team.
pub const POLICY: &str = r#"
domains: [host.example, eu.corp.example]
tenants: [{namespace: partners, hostAdmins: ["*@host.example", "*@agency.example", "*@third.example"]}]
mailInterval: 0s
"#;

/// The objects that a rule needs, and so the stages that enforce it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// One object decides: the API server, `check` and the reconcile.
    Alone,
    /// Several objects decide: `check` and the reconcile.
    Together,
    /// A stored object and its change decide: the API server and the reconcile.
    Changed,
}

/// A rule, a change that it refuses, and the nearest change that it accepts.
#[derive(Debug)]
pub struct Pair {
    pub reason: Reason,
    pub asked: Asked,
    /// The object and the field at fault: `gm bob spec.email`.
    pub at: &'static str,
    pub find: &'static str,
    pub refused: &'static str,
    pub passes: &'static str,
}

impl Pair {
    /// The manifests with a replacement in the changed place.
    #[track_caller]
    pub fn world(&self, instead: &str) -> String {
        assert_eq!(WORLD.matches(self.find).count(), 1, "{self:?}: this does not stand in the world once");
        WORLD.replace(self.find, instead)
    }

    /// Kind, name and field.
    pub fn place(&self) -> (Kind, &'static str, &'static str) {
        let mut words = self.at.splitn(3, ' ');
        let kind = match words.next().unwrap() {
            "lp" => Kind::Partner,
            "gm" => Kind::Membership,
            _ => Kind::Share,
        };
        (kind, words.next().unwrap(), words.next().unwrap())
    }

    /// Whether the object waits, rather than being refused.
    pub fn waits(&self) -> bool {
        entry(self.reason).sort == ReasonGroup::WaitingRule
    }
}

/// The document of an object in a world.
pub fn document<'a>(world: &'a str, (kind, name): (Kind, &str)) -> &'a str {
    let is_it = |text: &&str| {
        text.contains(&format!("kind: {}\n", kind.as_str())) && text.contains(&format!("{{name: {name}, namespace"))
    };
    world.split("\n---\n").find(is_it).unwrap()
}

const fn pair(
    asked: Asked,
    reason: Reason,
    at: &'static str,
    find: &'static str,
    refused: &'static str,
    passes: &'static str,
) -> Pair {
    Pair { reason, asked, at, find, refused, passes }
}

#[rustfmt::skip]
pub const PAIRS: &[Pair] = {
    use Asked::{Alone, Changed, Together};
    use Reason::{
        AlreadyGuest, DomainListsExclusive, DomainNotAllowed, DuplicateShare, ExpiryTooLong, HostAdminNotAllowedHere,
        HostAdminRequired, HostDomain, Immutable, InvalidEmail, InvalidValue, InviterNotAllowed, IsWorkspaceUser,
        ManagerNeedsGuestAdmin, MfaCannotBeWaived, MfaDeadlineTooLong, MfaMethodNotAllowed, NotAGuestOfPartner,
        OwnerNeverShared, PartnerNotFound, PropagationNeedsManager, QuotaExceeded, SharerNotHostAdmin,
    };
    &[
    pair(Alone, InvalidValue, "lp acme spec.invitations.expireAfter", "expireAfter: 72h", "expireAfter: 3d", "expireAfter: 1h30m"),
    pair(Alone, InvalidValue, "lp acme spec.guests.maxDuration", "maxDuration: 876000h", "maxDuration: 1h24h", "maxDuration: 876000h0m"),
    pair(Alone, InvalidValue, "lp acme spec.guests.maxDuration", "maxDuration: 876000h", "maxDuration: 0s", "maxDuration: 876000h1s"),
    pair(Alone, InvalidValue, "lp acme spec.invitations.expireAfter", "expireAfter: 72h", "expireAfter: 0h0m", "expireAfter: 0h1m"),
    pair(Alone, InvalidValue, "lp acme spec.invitations.expireAfter", "expireAfter: 72h", "expireAfter: 8760h1s", "expireAfter: 8760h"),
    pair(Alone, InvalidValue, "lp acme spec.mfa.enrolWithin", "enrolWithin: 168h", "enrolWithin: 0m", "enrolWithin: 1m"),
    pair(Alone, InvalidValue, "lp acme spec.displayName", "displayName: Acme Agency", "displayName: \" \"", "displayName: A"),
    pair(Alone, InvalidValue, "lp acme spec.displayName", "displayName: Acme Agency", "displayName: \"Acme\\u202eAgency\"", "displayName: \"Acme\\u00a0Agency\""),
    pair(Alone, InvalidValue, "gm bob spec.displayName", "role: GuestUser\n", "role: GuestUser\n  displayName: \"Bob\\nExample\"\n", "role: GuestUser\n  displayName: Bob Example\n"),
    pair(Alone, InvalidValue, "share newsletter spec.account", "account: newsletter", "account: \"news\\0letter\"", "account: news-letter"),
    pair(Alone, InvalidValue, "lp acme spec.expiresAt", "\"2037-06-30T00:00:00Z\"", "2037-06-30", "2037-06-30T00:00:00+02:00"),
    pair(Alone, InvalidValue, "gm bob spec.expiresAt", "\"2027-01-01T12:00:00Z\"", "\"2027-02-29T12:00:00Z\"", "\"2027-01-01T12:00:00.5Z\""),
    pair(Alone, InvalidValue, "lp acme spec.adoption", "adoption: Never", "adoption: Always", "adoption: Unmarked"),
    pair(Alone, InvalidValue, "lp acme spec.deletion", "deletion: Block", "deletion: cascade", "deletion: Cascade"),
    pair(Alone, InvalidValue, "lp acme spec.guests.maxGuests", "maxGuests: 3", "maxGuests: -1", "maxGuests: 2"),
    pair(Alone, InvalidValue, "lp acme spec.guests.maxGuests", "maxGuests: 3", "maxGuests: 1000001", "maxGuests: 1000000"),
    pair(Alone, InvalidValue, "gm bob spec.role", "role: GuestUser", "role: guestUser", "role: \"GuestUser\""),
    pair(Alone, InvalidValue, "gm carol spec.role", "carol@acme.example\n  role: GuestAdmin", "carol@acme.example\n  role: Guest Admin", "carol@acme.example\n  role: 'GuestAdmin'"),
    pair(Alone, InvalidValue, "share instagram spec.guestAdminRole", "guestAdminRole: Manager", "guestAdminRole: manager", "guestAdminRole: \"Manager\""),
    pair(Alone, InvalidValue, "lp acme spec.hostAdmins[1]", "[alice@host.example]", "[alice@host.example, ALICE@host.example]", "[alice@host.example, alice+1@host.example]"),
    pair(Alone, InvalidValue, "gm bob spec.mfa.methods[1]", "methods: [WebAuthn]}\n  expiresAt", "methods: [WebAuthn, WebAuthn]}\n  expiresAt", "methods: [WebAuthn, TOTP]}\n  expiresAt"),
    pair(Alone, InvalidValue, "lp acme spec.guests.allowedDomains[1]", "[acme.example]", "[acme.example, acme.example]", "[acme.example, eu.acme.example]"),
    pair(Alone, InvalidValue, "share newsletter spec.account", "account: newsletter", "account: \" \"", "account: news letter"),
    pair(Together, InvalidValue, "share instagram spec.roleOverrides[1].name", "  - {name: carol, role: Manager}", "  - {name: carol, role: Manager}\n  - {name: carol, role: Manager}", "  - {name: carol, role: Manager}\n  - {name: nobody, role: Manager}"),

    pair(Alone, HostAdminRequired, "lp third spec.hostAdmins", "[tom@third.example, zoe@host.example]", "[]", "[tom@third.example]"),
    pair(Together, HostAdminNotAllowedHere, "lp third spec.hostAdmins[1]", "[tom@third.example, zoe@host.example]", "[tom@third.example, zoe@eu.host.example]", "[tom@third.example, ZOE@HOST.EXAMPLE]"),
    pair(Together, HostAdminNotAllowedHere, "share newsletter spec.sharedBy", "account: newsletter\n  sharedBy: alice@host.example", "account: newsletter\n  sharedBy: alice@else.example", "account: newsletter\n  sharedBy: Alice@host.example"),
    pair(Together, HostAdminNotAllowedHere, "gm carol spec.invitedBy", "role: GuestAdmin\n  invitedBy: alice@host.example", "role: GuestAdmin\n  invitedBy: alice@eu.host.example", "role: GuestAdmin\n  invitedBy: ALICE@host.example"),

    pair(Alone, MfaCannotBeWaived, "lp acme spec.mfa.required", "mfa: {required: true, methods: [TOTP", "mfa: {required: false, methods: [TOTP", "mfa: {methods: [TOTP"),
    pair(Alone, MfaCannotBeWaived, "gm bob spec.mfa.required", "mfa: {required: true, methods: [WebAuthn]}", "mfa: {required: false}", "mfa: {required: true}"),
    pair(Alone, MfaCannotBeWaived, "share instagram spec.mfa.required", "  mfa: {methods: [WebAuthn]}", "  mfa: {required: false}", "  mfa: {}"),
    pair(Alone, MfaMethodNotAllowed, "lp acme spec.mfa.methods[2]", "methods: [TOTP, WebAuthn]", "methods: [TOTP, WebAuthn, SMS]", "methods: [WebAuthn, TOTP]"),
    pair(Alone, MfaMethodNotAllowed, "share instagram spec.mfa.methods", "  mfa: {methods: [WebAuthn]}", "  mfa: {methods: []}", "  mfa: {methods: [TOTP]}"),
    pair(Alone, MfaMethodNotAllowed, "gm bob spec.mfa.methods[0]", "methods: [WebAuthn]}\n  expiresAt", "methods: [webauthn]}\n  expiresAt", "methods: [TOTP]}\n  expiresAt"),
    pair(Together, MfaMethodNotAllowed, "gm bob spec.mfa.methods", "methods: [TOTP, WebAuthn]", "methods: [TOTP]", "methods: [WebAuthn]"),
    pair(Together, MfaMethodNotAllowed, "share instagram spec.mfa.methods", "methods: [TOTP, WebAuthn]", "methods: [TOTP]", "methods: [WebAuthn]"),
    pair(Alone, MfaDeadlineTooLong, "lp acme spec.mfa.enrolWithin", "enrolWithin: 168h", "enrolWithin: 720h1s", "enrolWithin: 720h"),
    pair(Alone, MfaDeadlineTooLong, "lp acme spec.mfa.enrolWithin", "enrolWithin: 168h", "enrolWithin: 43201m", "enrolWithin: 719h59m60s"),

    pair(Alone, InvalidEmail, "gm bob spec.email", "email: bob@acme.example\n", "email: Bob <bob@acme.example>\n", "email: Bob@acme.example\n"),
    pair(Alone, InvalidEmail, "gm stranger spec.email", "email: stranger@other.example", "email: stranger@localhost", "email: stranger+tag@other.example"),
    pair(Alone, InvalidEmail, "gm stranger spec.email", "email: stranger@other.example", "email: a2345678901234567890123456789012345678901234567890123456789012345@other.example", "email: a234567890123456789012345678901234567890123456789012345678901234@other.example"),
    pair(Alone, InvalidEmail, "lp third spec.hostAdmins[1]", "[tom@third.example, zoe@host.example]", "[tom@third.example, zoe@host.example.]", "[tom@third.example, zo.e@host.example]"),
    pair(Alone, InvalidEmail, "gm stranger spec.invitedBy", "invitedBy: zoe@host.example", "invitedBy: zoe", "invitedBy: Zoe@Host.Example"),
    pair(Alone, InvalidEmail, "share newsletter spec.sharedBy", "account: newsletter\n  sharedBy: alice@host.example", "account: newsletter\n  sharedBy: \"\"", "account: newsletter\n  sharedBy: ALICE@host.example"),
    pair(Alone, InvalidEmail, "share instagram spec.guestUsers[0].email", "email: bob@acme.example}", "email: bob@acmé.example}", "email: BOB@ACME.example}"),
    pair(Together, HostDomain, "gm stranger spec.email", "email: stranger@other.example", "email: stranger@host.example", "email: stranger@nothost.example"),
    pair(Together, HostDomain, "gm stranger spec.email", "email: stranger@other.example", "email: stranger@a.b.host.example", "email: stranger@host.example.other.example"),
    pair(Together, HostDomain, "gm stranger spec.email", "email: stranger@other.example", "email: stranger@corp.example", "email: stranger@us.corp.example"),
    pair(Together, HostDomain, "gm stranger spec.email", "email: stranger@other.example", "email: stranger@AGENCY.example", "email: stranger@third.example"),
    pair(Alone, DomainListsExclusive, "lp acme spec.guests.deniedDomains", "allowedDomains: [acme.example]", "allowedDomains: [acme.example], deniedDomains: [x.example]", "deniedDomains: [x.example]"),
    pair(Alone, DomainListsExclusive, "lp acme spec.guests.deniedDomains", "allowedDomains: [acme.example]", "deniedDomains: []", "allowedDomains: [acme.example, b.example]"),
    pair(Alone, DomainListsExclusive, "lp acme spec.guests.deniedDomains[0]", "allowedDomains: [acme.example]", "deniedDomains: ['*.x.example']", "deniedDomains: [x.example]"),
    pair(Alone, DomainListsExclusive, "lp acme spec.guests.allowedDomains[0]", "allowedDomains: [acme.example]", "allowedDomains: [Acme.example]", "allowedDomains: [acme.example, xn--bcher-kva.example]"),
    pair(Together, DomainNotAllowed, "gm carol spec.email", "email: carol@acme.example", "email: carol@eu.acme.example", "email: carol@ACME.example"),
    pair(Together, DomainNotAllowed, "gm bob spec.email", "allowedDomains: [acme.example]", "allowedDomains: [example.example]", "allowedDomains: [b.example, acme.example]"),
    pair(Together, DomainNotAllowed, "gm carol spec.email", "allowedDomains: [acme.example]", "deniedDomains: [acme.example]", "deniedDomains: [me.example, eu.acme.example]"),
    pair(Together, IsWorkspaceUser, "gm stranger spec.email", "email: stranger@other.example", "email: Tom@third.example", "email: tom+guest@third.example"),
    pair(Together, AlreadyGuest, "gm stranger spec.email", "email: stranger@other.example", "email: CAROL@acme.example", "email: carol+2@acme.example"),
    pair(Together, QuotaExceeded, "gm stranger spec.partnerRef.name", "  hostAdmins: [zoe@host.example, yan@agency.example]\n", "  hostAdmins: [zoe@host.example, yan@agency.example]\n  guests: {maxGuests: 0}\n", "  hostAdmins: [zoe@host.example, yan@agency.example]\n  guests: {maxGuests: 1}\n"),
    pair(Together, QuotaExceeded, "gm carol spec.partnerRef.name", "maxGuests: 3", "maxGuests: 0", "maxGuests: 2"),
    pair(Together, InviterNotAllowed, "gm stranger spec.invitedBy", "invitedBy: zoe@host.example", "invitedBy: alice@host.example", "invitedBy: ZOE@host.example"),
    pair(Together, InviterNotAllowed, "gm bob spec.invitedBy", "role: GuestUser\n", "role: GuestAdmin\n", "role: GuestUser\n\n"),
    pair(Together, InviterNotAllowed, "gm bob spec.invitedBy", "invitedBy: carol@acme.example", "invitedBy: bob@acme.example", "invitedBy: Carol@ACME.example"),
    pair(Changed, Immutable, "gm bob spec.email", "email: bob@acme.example\n", "email: rob@acme.example\n", "email: BOB@acme.example\n"),
    pair(Changed, Immutable, "gm carol spec.partnerRef.name", "{name: acme}\n  email: carol", "{name: other}\n  email: carol", "{name: \"acme\"}\n  email: carol"),
    pair(Changed, Immutable, "share instagram spec.partnerRef.name", "{name: acme}\n  account: instagram", "{name: other}\n  account: instagram", "{name: \"acme\"}\n  account: instagram"),
    pair(Changed, Immutable, "share instagram spec.account", "account: instagram", "account: Instagram", "account: \"instagram\""),
    pair(Together, ExpiryTooLong, "gm bob spec.expiresAt", "\"2027-01-01T12:00:00Z\"", "\"9000-01-01T00:00:00Z\"", "\"2027-01-01T13:00:00Z\""),

    pair(Alone, OwnerNeverShared, "share instagram spec.guestAdminRole", "guestAdminRole: Manager", "guestAdminRole: Owner", "guestAdminRole: 'Manager'"),
    pair(Alone, OwnerNeverShared, "share instagram spec.roleOverrides[0].role", "{name: carol, role: Manager}", "{name: carol, role: Owner}", "{name: carol, role: 'Manager'}"),
    pair(Alone, OwnerNeverShared, "share instagram spec.guestUsers[0].role", "role: Collaborator, email", "role: Owner, email", "email"),
    pair(Alone, ManagerNeedsGuestAdmin, "share instagram spec.guestUsers[0].role", "role: Collaborator, email", "role: Manager, email", "role: \"Collaborator\", email"),
    pair(Together, ManagerNeedsGuestAdmin, "share instagram spec.roleOverrides[1].role", "  - {name: carol, role: Manager}", "  - {name: carol, role: Manager}\n  - {name: bob, role: Manager}", "  - {name: carol, role: Manager}\n  - {name: bob, role: Collaborator}"),
    pair(Together, ManagerNeedsGuestAdmin, "share instagram spec.roleOverrides[0].role", "carol@acme.example\n  role: GuestAdmin", "carol@acme.example\n  role: GuestUser", "carol@acme.example\n  role: \"GuestAdmin\""),
    pair(Together, SharerNotHostAdmin, "share newsletter spec.sharedBy", "account: newsletter\n  sharedBy: alice@host.example", "account: newsletter\n  sharedBy: zoe@host.example", "account: newsletter\n  sharedBy: Alice@HOST.example"),

    pair(Together, NotAGuestOfPartner, "share instagram spec.exclude[0].name", "exclude: []", "exclude: [{name: stranger}]", "exclude: [{name: nobody}]"),
    pair(Together, NotAGuestOfPartner, "share instagram spec.roleOverrides[0].name", "  - {name: carol, role: Manager}", "  - {name: stranger, role: Collaborator}", "  - {name: nobody, role: Manager}"),
    pair(Together, NotAGuestOfPartner, "share instagram spec.guestUsers[0].name", "  - {name: bob, propagatedBy: carol, role: Collaborator, email: bob@acme.example}", "  - {name: stranger, propagatedBy: carol}", "  - {name: nobody, propagatedBy: carol}"),
    pair(Together, NotAGuestOfPartner, "share instagram spec.guestUsers[0].email", "email: bob@acme.example}", "email: rob@acme.example}", "email: BOB@acme.example}"),
    pair(Together, PropagationNeedsManager, "share instagram spec.guestUsers[0].propagatedBy", "propagatedBy: carol,", "propagatedBy: bob,", "propagatedBy: nobody,"),
    pair(Together, PropagationNeedsManager, "share instagram spec.guestUsers[0].propagatedBy", "propagatedBy: carol,", "propagatedBy: stranger,", "propagatedBy: 'carol',"),
    pair(Together, PropagationNeedsManager, "share instagram spec.guestUsers[0].propagatedBy", "{name: carol, role: Manager}", "{name: carol, role: Collaborator}", "{name: nobody, role: Collaborator}"),
    pair(Together, PropagationNeedsManager, "share instagram spec.guestUsers[0].propagatedBy", "{name: carol, role: Manager}", "{name: carol, role: Manager, email: eve@acme.example}", "{name: carol, role: Manager, email: CAROL@acme.example}"),
    pair(Together, PropagationNeedsManager, "share instagram spec.guestUsers[0].propagatedBy", "exclude: []", "exclude: [{name: carol}]", "exclude: [{name: bob}]"),
    pair(Together, PropagationNeedsManager, "share instagram spec.guestUsers[0].propagatedBy", "exclude: []", "exclude: [{name: carol, email: eve@acme.example}]", "exclude: [{name: carol2}]"),
    pair(Together, PropagationNeedsManager, "share instagram spec.guestUsers[0].propagatedBy", "carol@acme.example\n  role: GuestAdmin", "carol@acme.example\n  role: GuestUser", "carol@acme.example\n  suspended: true\n  role: GuestAdmin"),
    pair(Together, PropagationNeedsManager, "share instagram spec.guestUsers[0].propagatedBy", "email: carol@acme.example", "email: carol@eu.acme.example", "email: CAROL@acme.example"),
    pair(Together, DuplicateShare, "share newsletter spec.account", "account: newsletter", "account: instagram", "account: Instagram"),
    pair(Together, PartnerNotFound, "gm stranger spec.partnerRef.name", "{name: other}", "{name: nobody}", "{name: third}"),
    ]
};
