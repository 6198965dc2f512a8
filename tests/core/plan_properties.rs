//! Random edits in random order, with random events in the directory: the operator converges, and no operation on the
//! way grants forbidden access. The environment checks that after each operation. After convergence all guests have
//! exactly the access of an independent implementation of the rules.
use std::collections::{BTreeMap, BTreeSet};

use crate::support::in_memory::{Access3, World, email};
use guestlist::cache::Kind;
use guestlist::directory::MfaRecord;
use guestlist::domain::{GuestRole, MfaMethod, ShareRole};
use proptest::prelude::*;

const NAMES: [&str; 3] = ["carol", "dave", "bob"];
const ACCOUNTS: [&str; 2] = ["instagram", "newsletter"];

#[derive(Clone, Debug)]
struct Member {
    admin: bool,
    suspended: bool,
    only_webauthn: bool,
}

#[derive(Clone, Debug)]
struct Share {
    by_zoe: bool,
    manager: bool,
    suspended: bool,
    asks_webauthn: bool,
    /// The Guest Admin who passes the account on to each Guest User.
    users: BTreeMap<usize, usize>,
    overrides: BTreeMap<usize, bool>,
    exclude: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
enum Edit {
    Partner { suspended: bool },
    Member(usize, Member),
    NoMember(usize),
    Share(usize, Share),
    NoShare(usize),
    Accept(usize),
    Enroll(usize, bool),
    Reset(usize),
    Owners(usize, bool, bool),
    Account(usize, bool),
    Later(i64),
}

fn member() -> impl Strategy<Value = Member> {
    (any::<bool>(), prop::bool::weighted(0.15), prop::bool::weighted(0.15))
        .prop_map(|(admin, suspended, only_webauthn)| Member { admin, suspended, only_webauthn })
}

fn share() -> impl Strategy<Value = Share> {
    let rare = || prop::bool::weighted(0.15);
    let who = || 0..NAMES.len();
    (
        (rare(), any::<bool>(), rare(), rare()),
        prop::collection::btree_map(who(), who(), 0..3),
        prop::collection::btree_map(who(), any::<bool>(), 0..2),
        prop::collection::btree_set(who(), 0..2),
    )
        .prop_map(|((by_zoe, manager, suspended, asks_webauthn), users, overrides, exclude)| Share {
            by_zoe,
            manager,
            suspended,
            asks_webauthn,
            users,
            overrides,
            exclude,
        })
}

fn edit() -> impl Strategy<Value = Edit> {
    let (who, what) = (|| 0..NAMES.len(), || 0..ACCOUNTS.len());
    prop_oneof![
        1 => prop::bool::weighted(0.3).prop_map(|suspended| Edit::Partner { suspended }),
        4 => (who(), member()).prop_map(|(who, member)| Edit::Member(who, member)),
        1 => who().prop_map(Edit::NoMember),
        5 => (what(), share()).prop_map(|(what, share)| Edit::Share(what, share)),
        1 => what().prop_map(Edit::NoShare),
        3 => who().prop_map(Edit::Accept),
        4 => (who(), any::<bool>()).prop_map(|(who, totp)| Edit::Enroll(who, totp)),
        1 => who().prop_map(Edit::Reset),
        2 => (what(), any::<bool>(), any::<bool>()).prop_map(|(what, alice, zoe)| Edit::Owners(what, alice, zoe)),
        1 => (what(), any::<bool>()).prop_map(|(what, deleted)| Edit::Account(what, deleted)),
        1 => (1_i64..30).prop_map(Edit::Later),
    ]
}

/// The declared state, and the state of the directory.
#[derive(Clone, Debug, Default)]
struct Model {
    partner: Option<bool>,
    members: BTreeMap<usize, Member>,
    shares: BTreeMap<usize, Share>,
}

impl Share {
    fn spec(&self, account: &str) -> String {
        let role = |manager: bool| if manager { "Manager" } else { "Collaborator" };
        let list = |items: Vec<String>| format!("[{}]", items.join(", "));
        let user = |(to, by): (&usize, &usize)| format!("{{name: {}, propagatedBy: {}}}", NAMES[*to], NAMES[*by]);
        let item = |(who, manager): (&usize, &bool)| format!("{{name: {}, role: {}}}", NAMES[*who], role(*manager));
        format!(
            "partnerRef: {{name: acme}}\naccount: {account}\nsharedBy: {}@host.example\nguestAdminRole: {}\n\
             suspended: {}\nguestUsers: {}\nroleOverrides: {}\nexclude: {}\n{}",
            if self.by_zoe { "zoe" } else { "alice" },
            role(self.manager),
            self.suspended,
            list(self.users.iter().map(user).collect()),
            list(self.overrides.iter().map(item).collect()),
            list(self.exclude.iter().map(|who| format!("{{name: {}}}", NAMES[*who])).collect()),
            if self.asks_webauthn { "mfa: {methods: [WebAuthn]}\n" } else { "" },
        )
    }
}

fn write_partner(world: &mut World, suspended: bool) {
    let admins = "hostAdmins: [alice@host.example, zoe@host.example]";
    world.partner("acme", &format!("{admins}\nsuspended: {suspended}"));
}

fn write_member(world: &mut World, who: usize, member: &Member) {
    let more = format!(
        "suspended: {}\n{}",
        member.suspended,
        if member.only_webauthn { "mfa: {methods: [WebAuthn]}\n" } else { "" }
    );
    world.member(NAMES[who], if member.admin { "GuestAdmin" } else { "GuestUser" }, &more);
}

fn exists(world: &World, kind: Kind, name: &str) -> bool {
    world.objects.keys().any(|key| key.kind == kind && *key.name == *name)
}

/// Applies one edit to the environment and to the model. An edit that the directory refuses has no effect.
fn apply(world: &mut World, model: &mut Model, edit: &Edit) {
    let address = |who: &usize| email(&format!("{}@acme.example", NAMES[*who]));
    match edit {
        Edit::Partner { suspended } => {
            write_partner(world, *suspended);
            model.partner = Some(*suspended);
        }
        Edit::Member(who, member) => {
            write_member(world, *who, member);
            model.members.insert(*who, member.clone());
        }
        Edit::NoMember(who) => {
            if exists(world, Kind::Membership, NAMES[*who]) {
                world.delete(Kind::Membership, NAMES[*who]);
                // A name is free again only after the finalizer is removed.
                world.settle();
            }
            model.members.remove(who);
        }
        Edit::Share(what, share) => {
            world.share_of(ACCOUNTS[*what], &share.spec(ACCOUNTS[*what]));
            model.shares.insert(*what, share.clone());
        }
        Edit::NoShare(what) => {
            if exists(world, Kind::Share, ACCOUNTS[*what]) {
                world.delete(Kind::Share, ACCOUNTS[*what]);
                world.settle();
            }
            model.shares.remove(what);
        }
        Edit::Accept(who) => {
            world.play(|store, now| Ok(store.accept(&address(who), now).is_ok()));
        }
        Edit::Enroll(who, totp) => {
            let method = if *totp { MfaMethod::TOTP } else { MfaMethod::WebAuthn };
            world.play(|store, now| Ok(store.enroll_mfa(&address(who), method, now).is_ok()));
        }
        Edit::Reset(who) => {
            world.play(|store, now| Ok(store.reset_mfa(&address(who), now).is_ok()));
        }
        Edit::Owners(what, alice, zoe) => {
            let owners = [(alice, "alice@host.example"), (zoe, "zoe@host.example")];
            let owners: Vec<_> = owners.into_iter().filter(|(owns, _)| **owns).map(|(_, owner)| owner).collect();
            world.owners(ACCOUNTS[*what], &owners);
        }
        Edit::Account(what, deleted) => {
            world.play(|store, _| store.set_deleted(ACCOUNTS[*what], *deleted));
        }
        Edit::Later(minutes) => world.now += jiff::SignedDuration::from_mins(*minutes),
    }
}

/// The access that the rules grant, implemented without the planner's code.
fn entitled(world: &World, model: &Model) -> Access3 {
    let mut found = Access3::new();
    if model.partner != Some(false) {
        return found;
    }
    for (what, share) in &model.shares {
        let account = world.directory_cache.account(ACCOUNTS[*what]).unwrap();
        let sharer = email(if share.by_zoe { "zoe@host.example" } else { "alice@host.example" });
        if account.deleted || share.suspended || !account.owners.contains(&sharer) {
            continue;
        }
        let by_spec = |who: &usize| *share.overrides.get(who).unwrap_or(&share.manager);
        for (who, member) in &model.members {
            let passes = |by: &usize| {
                model.members.get(by).is_some_and(|by| by.admin) && !share.exclude.contains(by) && by_spec(by)
            };
            let role = match (member.admin, share.users.get(who)) {
                (true, _) if by_spec(who) => ShareRole::Manager,
                (true, _) => ShareRole::Collaborator,
                (false, Some(by)) if passes(by) => ShareRole::Collaborator,
                (false, _) => continue,
            };
            let Some(record) = world.record(NAMES[*who]) else { continue };
            let MfaRecord::Known(methods) = &record.mfa else { continue };
            let one_of_those = |only: bool| {
                methods.contains_key(&MfaMethod::WebAuthn) || (!only && methods.contains_key(&MfaMethod::TOTP))
            };
            let mfa = one_of_those(member.only_webauthn) && one_of_those(share.asks_webauthn);
            if record.joined_at.is_some() && mfa && !member.suspended && !share.exclude.contains(who) {
                found.insert((NAMES[*who].to_owned(), ACCOUNTS[*what].to_owned()), role);
            }
        }
    }
    found
}

/// The partner, its members and both shares exist, and all guests have joined with both methods.
fn start() -> (World, Model) {
    let (mut world, mut model) = (World::new(), Model::default());
    apply(&mut world, &mut model, &Edit::Partner { suspended: false });
    for who in 0..NAMES.len() {
        let member = Member { admin: who == 0, suspended: false, only_webauthn: false };
        apply(&mut world, &mut model, &Edit::Member(who, member));
    }
    world.settle();
    for who in 0..NAMES.len() {
        apply(&mut world, &mut model, &Edit::Accept(who));
        apply(&mut world, &mut model, &Edit::Enroll(who, true));
        apply(&mut world, &mut model, &Edit::Enroll(who, who == 1));
    }
    (world, model)
}

/// The part of the environment that does not depend on its history.
fn end(world: &World) -> (Access3, Vec<String>, Vec<String>) {
    let states =
        NAMES.iter().filter(|name| exists(world, Kind::Membership, name)).map(|name| world.state(name)).collect();
    let shares = ACCOUNTS.iter().filter(|name| exists(world, Kind::Share, name));
    (world.effective(), states, shares.flat_map(|name| world.withheld(name)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn access_at_rest_is_exactly_as_the_domain_rules_say(edits in prop::collection::vec((edit(), any::<bool>()), 1..14)) {
        let (mut world, mut model) = start();
        for (edit, rest) in &edits {
            apply(&mut world, &mut model, edit);
            if *rest {
                world.settle();
                prop_assert_eq!(world.effective(), entitled(&world, &model), "after {:?}", edit);
            }
        }
        world.settle();
        prop_assert_eq!(world.effective(), entitled(&world, &model));
        // The directory has the role of every guest that no object blocks.
        for (who, member) in model.members.iter().filter(|_| model.partner == Some(false)) {
            if let Some(record) = world.record(NAMES[*who]) {
                prop_assert_eq!(record.role == GuestRole::GuestAdmin, member.admin, "{}", NAMES[*who]);
            }
        }
        let done = world.done.len();
        world.settle();
        prop_assert_eq!(world.done.len(), done, "at rest nothing is done");
    }

    #[test]
    fn the_order_of_edits_and_of_passes_does_not_change_the_end(
        shares in prop::collection::vec(share(), 2),
        members in prop::collection::vec(member(), 3),
        suspended in prop::bool::weighted(0.1),
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
        passes in any::<[u8; 6]>(),
    ) {
        let mut edits = vec![Edit::Partner { suspended }];
        edits.extend(members.into_iter().enumerate().map(|(who, member)| Edit::Member(who, member)));
        edits.extend(shares.into_iter().enumerate().map(|(what, share)| Edit::Share(what, share)));
        let (mut straight, mut model) = start();
        for edit in &edits {
            apply(&mut straight, &mut model, edit);
        }
        straight.settle();
        let (mut crooked, mut model) = start();
        for (place, edit) in order.iter().map(|place| (place, &edits[*place])) {
            apply(&mut crooked, &mut model, edit);
            if passes[*place] % 2 == 0 {
                crooked.settle_in(|keys| keys.reverse());
            }
        }
        crooked.settle_in(|keys| keys.sort_by_key(|key| passes[key.name.len() % 6]));
        prop_assert_eq!(end(&straight), end(&crooked));
    }

    #[test]
    fn operator_stopped_between_passes_converges_to_the_same_end(
        edits in prop::collection::vec(edit(), 1..6), stop in 0_usize..12,
    ) {
        let (mut smooth, mut model) = start();
        let (mut rough, mut same) = start();
        for edit in &edits {
            apply(&mut smooth, &mut model, edit);
            smooth.settle();
            apply(&mut rough, &mut same, edit);
            let keys: Vec<_> = rough.objects.keys().cloned().collect();
            for key in keys.iter().take(stop) {
                rough.pass(key);
            }
        }
        smooth.settle();
        rough.settle();
        // A guest without a timely invitation could not accept: the test compares only guests in the same state.
        let alike = |name: &str| smooth.record(name).map(|r| (r.joined_at, r.mfa)) == rough.record(name).map(|r| (r.joined_at, r.mfa));
        for name in NAMES.into_iter().filter(|name| alike(name)) {
            let of = |world: &World| world.effective().into_iter().filter(|((who, _), _)| who == name).collect::<Vec<_>>();
            prop_assert_eq!(of(&smooth), of(&rough), "{}", name);
        }
    }
}
