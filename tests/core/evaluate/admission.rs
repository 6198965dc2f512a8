//! New memberships that compete for an address or for a place in the partner's quota.

use guestlist::cache::Kind;
use guestlist::directory::{GuestId, GuestRecord, Integrity};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::SignedDuration;

use super::{key, terminate, verdict};
use crate::support::in_memory::{World, email};

const ADMIN: &str = "hostAdmins: [alice@host.example]";
const TWIN: &str = "email: twin@acme.example\ninvitedBy: alice@host.example";

#[test]
fn quota_admits_the_earliest_memberships_without_another_fault() {
    // The order of creation, which is not the order of names.
    let names = ["new-c", "new-a", "new-b"];
    for live in 0..=2 {
        let mut world = World::new();
        world.partner("acme", ADMIN);
        for number in 0..live {
            world.member(&format!("guest-{number}"), "GuestUser", "");
        }
        world.settle();
        for name in names {
            world.now += SignedDuration::from_secs(1);
            world.member(name, "GuestUser", "");
        }
        for (faulty, most) in (0..8).flat_map(|faulty| (0..=6).map(move |most| (faulty, most))) {
            world.partner("acme", &format!("{ADMIN}\nguests: {{maxGuests: {most}}}"));
            let mut taken = live;
            for (place, name) in names.iter().enumerate() {
                let is_faulty = faulty & (1 << place) != 0;
                world.member(name, "GuestUser", if is_faulty { "mfa: {required: false}" } else { "" });
                let expected = match (is_faulty, taken >= most) {
                    (true, _) => "MfaCannotBeWaived spec.mfa.required",
                    (false, true) => "QuotaExceeded spec.partnerRef.name",
                    (false, false) => "",
                };
                taken += usize::from(expected.is_empty());
                let found = verdict(world.seen(), Kind::Membership, name).join(", ");
                assert_eq!(found, expected, "{name} of {live} live, at most {most}, faulty {faulty:b}");
            }
            for number in 0..live {
                assert_eq!(verdict(world.seen(), Kind::Membership, &format!("guest-{number}")), [""; 0]);
            }
        }
    }
}

type Obstacle = (&'static str, fn(&mut World));

/// Each keeps the earlier of two memberships of one address from being admitted.
const OBSTACLES: [Obstacle; 9] = [
    ("its spec breaks a rule", |world| elder(world, "acme", "mfa: {required: false}")),
    ("its end exceeds maxDuration", |world| {
        world.partner("brio", &format!("{ADMIN}\nguests: {{maxDuration: 1h}}"));
        elder(world, "brio", "expiresAt: '2027-06-01T00:00:00Z'");
    }),
    ("the partner does not admit its domain", |world| {
        world.partner("brio", &format!("{ADMIN}\nguests: {{deniedDomains: [acme.example]}}"));
        elder(world, "brio", "");
    }),
    ("its partner is not declared", |world| elder(world, "brio", "")),
    ("its partner is being deleted", |world| {
        world.partner("brio", ADMIN);
        terminate(world, Kind::Partner, "brio");
        elder(world, "brio", "");
    }),
    ("its partner has no Host Admin", |world| {
        world.partner("brio", "hostAdmins: [later@host.example]");
        elder(world, "brio", "");
    }),
    ("its inviter is not Active", |world| {
        let spec = "partnerRef: {name: acme}\nemail: twin@acme.example\ninvitedBy: carol@acme.example";
        world.membership("elder", spec);
    }),
    ("it is being deleted", |world| {
        elder(world, "acme", "");
        terminate(world, Kind::Membership, "elder");
    }),
    ("its inviter is not allowed in the namespace", |world| {
        let policy = "domains: [host.example]\ntenants: [{namespace: partners, hostAdmins: [alice@host.example]}]";
        world.workspace = WorkspacePolicy::parse(policy).unwrap();
        let spec = "partnerRef: {name: acme}\nemail: twin@acme.example\ninvitedBy: zoe@host.example";
        world.membership("elder", spec);
    }),
];

fn elder(world: &mut World, partner: &str, more: &str) {
    world.membership("elder", &format!("partnerRef: {{name: {partner}}}\n{TWIN}\n{more}"));
}

/// Two memberships of one address. Returns the verdict about the later one.
fn younger(create_elder: impl FnOnce(&mut World)) -> (World, Vec<String>) {
    let mut world = World::acme();
    world.settle();
    world.now += SignedDuration::from_secs(1);
    create_elder(&mut world);
    world.now += SignedDuration::from_secs(1);
    world.membership("a-younger", &format!("partnerRef: {{name: acme}}\n{TWIN}"));
    let found = verdict(world.seen(), Kind::Membership, "a-younger");
    (world, found)
}

#[test]
fn earlier_membership_claims_an_address_only_if_admissible() {
    let (mut world, found) = younger(|world| elder(world, "acme", ""));
    assert_eq!(found, ["AlreadyGuest spec.email"]);
    // A membership with a taken address asks for no place.
    world.partner("acme", &format!("{ADMIN}\nguests: {{maxGuests: 4}}"));
    assert_eq!(verdict(world.seen(), Kind::Membership, "a-younger"), ["AlreadyGuest spec.email"]);
    assert_eq!(verdict(world.seen(), Kind::Membership, "elder"), [""; 0]);
    world.pass(&key(Kind::Membership, "elder"));
    for (what, obstacle) in OBSTACLES {
        let (world, found) = younger(obstacle);
        assert_eq!(found, [""; 0], "{what}: {:?}", verdict(world.seen(), Kind::Membership, "elder"));
    }
}

/// The address of the earlier one has a record that it cannot use.
#[test]
fn earlier_membership_holds_a_place_only_if_admissible() {
    type Obstacle = fn(GuestRecord) -> Option<GuestRecord>;
    let unusable: [(&str, Obstacle); 3] = [
        ("nothing", |_| None),
        ("a record without an ownership mark", |record| Some(GuestRecord { mark: None, ..record })),
        ("an unreadable ownership mark", |record| {
            Some(GuestRecord { mark: None, integrity: Integrity::Unreadable, ..record })
        }),
    ];
    for (what, obstacle) in unusable {
        let mut world = World::acme();
        world.settle();
        let bob = world.record("bob").unwrap();
        let twin = email("twin@acme.example");
        let id = GuestId("twin".to_owned());
        let record = obstacle(GuestRecord { id, address: twin.clone(), email: twin.clone(), ..bob });
        world.directory_cache.set_guest(&twin, record);
        world.now += SignedDuration::from_secs(1);
        elder(&mut world, "acme", "");
        world.now += SignedDuration::from_secs(1);
        world.member("a-younger", "GuestUser", "");
        let live = world.seen().observed.live_count();
        for left in [1, 2] {
            world.partner("acme", &format!("{ADMIN}\nguests: {{maxGuests: {}}}", live + left));
            let found = verdict(world.seen(), Kind::Membership, "a-younger");
            let expected =
                if what == "nothing" && left == 1 { vec!["QuotaExceeded spec.partnerRef.name"] } else { vec![] };
            assert_eq!(found, expected, "{what}, {left} places");
        }
    }
}
