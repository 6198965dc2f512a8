//! Everything applied in random order, with detours: the end is always the same.

use crate::support::dice::Dice;
use crate::support::harness::Stage;
use crate::support::operator::eventually;

/// The final objects; `TEAM` stands for the namespace.
const END: [&str; 8] = [
    "kind: LocalPartner
metadata: {name: acme}
spec: {hostAdmins: [alice@host.example, dan@host.example], guests: {allowedDomains: [TEAM.example], maxGuests: 9}}",
    "kind: GuestMembership
metadata: {name: carol}
spec: {partnerRef: {name: acme}, email: carol@TEAM.example, role: GuestAdmin, invitedBy: alice@host.example}",
    "kind: GuestMembership
metadata: {name: dave}
spec: {partnerRef: {name: acme}, email: dave@TEAM.example, role: GuestAdmin, invitedBy: dan@host.example}",
    "kind: GuestMembership
metadata: {name: bob}
spec: {partnerRef: {name: acme}, email: bob@TEAM.example, invitedBy: carol@TEAM.example}",
    "kind: GuestMembership
metadata: {name: erin}
spec: {partnerRef: {name: acme}, email: erin@TEAM.example, invitedBy: dave@TEAM.example}",
    "kind: GuestMembership
metadata: {name: frank}
spec: {partnerRef: {name: acme}, email: frank@elsewhere.TEAM.example, invitedBy: alice@host.example}",
    "kind: AccountShare
metadata: {name: instagram}
spec:
  partnerRef: {name: acme}
  account: instagram
  sharedBy: alice@host.example
  guestAdminRole: Manager
  guestUsers: [{name: bob, propagatedBy: carol}, {name: erin, propagatedBy: dave}, {name: grace, propagatedBy: carol}]
  roleOverrides: [{name: dave, role: Collaborator}]",
    "kind: AccountShare
metadata: {name: tiktok}
spec:
  partnerRef: {name: acme}
  account: tiktok
  sharedBy: dan@host.example
  guestAdminRole: Manager
  guestUsers: [{name: bob, propagatedBy: dave}, {name: erin, propagatedBy: carol}]
  exclude: [{name: carol}]
  mfa: {methods: [TOTP]}",
];

/// Intermediate specs of an object: each changes a line of the final spec. The first that matches is used.
const DETOURS: [(&str, &str); 9] = [
    ("maxGuests: 9", "maxGuests: 1"),
    ("role: GuestAdmin, invitedBy: alice@host.example", "invitedBy: alice@host.example"),
    ("invitedBy: dan@host.example", "invitedBy: dan@host.example, suspended: true"),
    ("invitedBy: carol@TEAM.example", "invitedBy: carol@TEAM.example, expiresAt: '2020-01-01T00:00:00Z'"),
    ("invitedBy: dave@TEAM.example", "role: GuestAdmin, invitedBy: alice@host.example"),
    (
        "frank@elsewhere.TEAM.example, invitedBy: alice@host.example",
        "frank@elsewhere.TEAM.example, invitedBy: zoe@host.example",
    ),
    (
        "guestAdminRole: Manager\n  guestUsers: [{name: bob, propagatedBy: carol}",
        "guestAdminRole: Collaborator\n  guestUsers: [{name: bob, propagatedBy: erin}",
    ),
    ("exclude: [{name: carol}]", "exclude: [{name: dave}]"),
    ("methods: [TOTP]", "methods: [WebAuthn]"),
];

const GUESTS: [&str; 4] = ["carol", "dave", "bob", "erin"];
const SEEDS: [u64; 5] = [1, 20, 300, 4_000, 50_000];

fn detour(end: &str) -> Option<String> {
    let (right, wrong) = DETOURS.iter().find(|(right, _)| end.contains(right))?;
    Some(end.replace(right, wrong))
}

/// Applies everything in the order of the seed; guests join in between, as soon as they can.
fn walk(stage: &Stage, team: &str, seed: u64) {
    let mut dice = Dice(seed);
    let mut way: Vec<String> = END.iter().filter(|_| dice.roll(3) > 0).filter_map(|end| detour(end)).collect();
    dice.shuffle(&mut way);
    let mut ends = END.map(str::to_owned);
    dice.shuffle(&mut ends);
    // Detours come at any time, but each object's final spec comes last.
    let mut manifests: Vec<String> = ends.to_vec();
    for wrong in way {
        let name = wrong.lines().nth(1).unwrap().to_owned();
        let end = manifests.iter().position(|text| text.lines().nth(1) == Some(&name)).unwrap();
        manifests.insert(dice.roll(end + 1), wrong);
    }
    for text in manifests {
        let text = format!("apiVersion: guestlist.dev/v1alpha1\n{text}").replace("TEAM", team);
        stage.plane.kubectl_with(&["apply", "--server-side", "-n", team, "-f", "-"], &text).ok();
        let guest = format!("{}@{team}.example", GUESTS[dice.roll(GUESTS.len())]);
        if stage.operator.directory(&["accept", &guest]).status.success() {
            stage.operator.directory_ok(&["enroll-mfa", &guest]);
        }
    }
}

/// The final state, without the team's names, times and versions.
fn seen(stage: &Stage, team: &str) -> String {
    let path = "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.status.state} {.status.role} \
                {.status.guests} {.status.shares} {.status.grants} {.status.withheld} {.status.violations} \
                {range .status.conditions[*]}{.type}={.status}/{.reason} {end}\
                {range .status.accounts[*]}{.account}:{.role}:{.via}:{.through}:{.effective}:{.reason} {end}{'\\n'}{end}";
    let objects = stage.at(team).kubectl(&["get", "lp,gm,share", "-o", path]).ok();
    let show = stage.operator.show();
    let of_team = |list: &str| {
        let items = show[list].as_array().unwrap().iter().filter(|item| item["namespace"] == team);
        items.map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    format!("{objects}\n{}\n{}\n{}", of_team("partners"), of_team("guests"), of_team("deactivated"))
        .replace(team, "TEAM")
}

#[test]
fn everything_applied_in_random_order_ends_the_same() {
    let mut stage = Stage::prepare();
    stage.operator.policy(
        "{installation: test, domains: [host.example], mailInterval: 0s, \
         tenants: [{namespace: 'team-*', hostAdmins: ['*@host.example']}]}",
    );
    stage.operator.start();
    let teams = SEEDS.map(|seed| format!("team-{seed}"));
    for (team, seed) in teams.iter().zip(SEEDS) {
        stage.plane.kubectl(&["create", "namespace", team]).ok();
        walk(&stage, team, seed);
    }
    for team in &teams {
        for guest in GUESTS {
            stage.operator.joins_with_mfa(&format!("{guest}@{team}.example"));
        }
    }
    // The end matches the rules for the last specs.
    let access = |guest: &str| stage.operator.access(&format!("{guest}@{}.example", teams[0]));
    eventually("the end is as the rules say", || {
        let all = GUESTS.map(access);
        let wanted: [&[&str]; 4] = [
            &["instagram:Manager"],
            &["instagram:Collaborator", "tiktok:Manager"],
            &["instagram:Collaborator", "tiktok:Collaborator"],
            &[],
        ];
        if all == wanted { Ok(()) } else { Err(format!("{all:?}\n{}", stage.operator.log())) }
    });
    // Counts are updated last, so the test waits for all of them.
    let first = eventually("all teams look the same", || {
        let first = seen(&stage, &teams[0]);
        let other = teams[1..].iter().map(|team| seen(&stage, team)).find(|other| *other != first);
        other.map_or(Ok(first.clone()), |other| Err(format!("{first}\n---\n{other}")))
    });
    assert!(first.contains("GuestMembership/frank Rejected") && first.contains("DomainNotAllowed"), "{first}");
    assert!(first.contains("LocalPartner/acme") && first.contains("\"summary\":\"4/5\""), "{first}");
}
