//! The declared objects of a state, as the API server stores them. Their specs come from `tests/support/worlds`.

use guestlist::api;
use guestlist::cache::{Kind, ObjectCache, ObjectRef};
use guestlist::executor::object_store::Watched;
use guestlist::executor::received_object::ReceivedObject;
use serde_json::{Value, json};

use super::inflate::{ACCOUNT, MEMBER, PARTNER, SOON, SPACE, address, long_ago, now, uid};
use super::setup::Setup;
use super::state::{
    Declared, GUESTS, MemberSpec, Methods, Object, Override, PARTNERS, PartnerSpec, Pin, Presence, SHARES, ShareSpec,
};
use crate::support::worlds::{Objects, PAUSED, specs};

pub const HOST: &str = "alice@host.example";
/// The address of an entry that fits no membership.
const OTHER: &str = "other@guests.example";

/// A declared object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    Partner(usize),
    Member(usize),
    Share(usize),
}

impl Item {
    pub fn all() -> impl Iterator<Item = Self> {
        let partners = (0..PARTNERS).map(Self::Partner);
        partners.chain((0..GUESTS).map(Self::Member)).chain((0..SHARES).map(Self::Share))
    }

    pub fn key(self) -> ObjectRef {
        match self {
            Self::Partner(which) => ObjectRef::new(Kind::Partner, SPACE, PARTNER[which]),
            Self::Member(who) => ObjectRef::new(Kind::Membership, SPACE, MEMBER[who]),
            Self::Share(what) => ObjectRef::new(Kind::Share, SPACE, ACCOUNT[what]),
        }
    }

    pub fn of(key: &ObjectRef) -> Self {
        Self::all().find(|item| item.key() == *key).unwrap()
    }

    /// The object without its spec.
    pub fn head(self, declared: &Declared) -> Object<()> {
        fn head<S>(object: &Object<S>) -> Object<()> {
            Object { presence: object.presence, held: object.held, paused: object.paused, spec: () }
        }
        match self {
            Self::Partner(which) => head(&declared.partners[which]),
            Self::Member(who) => head(&declared.members[who]),
            Self::Share(what) => head(&declared.shares[what]),
        }
    }

    /// One merge patch for each field that varies. It sets or removes the field, whatever the value before.
    pub fn patches(self, setup: &Setup, declared: &Declared) -> Vec<Value> {
        match self {
            Self::Partner(which) => partner(declared.partners[which].spec),
            Self::Member(who) => member(setup.home(declared, who), declared.members[who].spec),
            Self::Share(what) => share(declared.shares[what].spec),
        }
    }

    pub fn spec(self, setup: &Setup, declared: &Declared) -> Value {
        let base = match self {
            Self::Partner(_) => specs::partner(&[HOST]),
            Self::Member(who) => {
                specs::membership(PARTNER[setup.partner_of_guest[who]], address(who).as_str(), false, HOST)
            }
            Self::Share(what) => specs::share(PARTNER[setup.partner_of_share[what]], ACCOUNT[what], HOST),
        };
        specs::with(base, self.patches(setup, declared))
    }

    /// The object as it is stored. `None`: it does not exist.
    pub fn object(self, setup: &Setup, declared: &Declared) -> Option<Value> {
        let Object { presence, held, paused, .. } = self.head(declared);
        let mut object = created(&self.key(), self.spec(setup, declared));
        let metadata = &mut object["metadata"];
        if held {
            metadata["finalizers"] = json!([api::FINALIZER]);
        }
        if paused {
            metadata["annotations"][PAUSED] = json!("true");
        }
        if presence == Presence::Leaving {
            metadata["deletionTimestamp"] = json!(now().to_string());
        }
        (presence != Presence::Absent).then_some(object)
    }
}

/// A new object.
pub fn created(key: &ObjectRef, spec: Value) -> Value {
    json!({
        "apiVersion": "guestlist.dev/v1alpha1",
        "kind": key.kind.as_str(),
        "metadata": {
            "namespace": &*key.namespace, "name": &*key.name, "uid": uid(&key.name, true), "generation": 1,
            "creationTimestamp": long_ago().to_string(), "finalizers": [], "annotations": {},
        },
        "spec": spec,
    })
}

fn end(ends: bool) -> Value {
    specs::expires_at(ends.then(|| *SOON))
}

fn methods(methods: Methods) -> Value {
    specs::methods(match methods {
        Methods::Any => None,
        Methods::Totp => Some(&["TOTP"]),
        Methods::WebAuthn => Some(&["WebAuthn"]),
    })
}

fn partner(spec: PartnerSpec) -> Vec<Value> {
    vec![
        specs::suspended(spec.suspended),
        specs::deletion(spec.cascade),
        specs::adoption(spec.adopts),
        end(spec.ends),
        methods(spec.methods),
    ]
}

fn member(home: usize, spec: MemberSpec) -> Vec<Value> {
    vec![
        specs::partner_ref(PARTNER[home]),
        specs::role(spec.admin),
        specs::suspended(spec.suspended),
        end(spec.ends),
        if spec.invalid { specs::waives_mfa() } else { methods(spec.methods) },
    ]
}

fn share(spec: ShareSpec) -> Vec<Value> {
    let entry = specs::propagated(MEMBER[1], MEMBER[0]);
    let excluded: Vec<&str> = spec.exclude.iter().map(|who| MEMBER[usize::from(*who)]).collect();
    vec![
        specs::guest_admin_role(!spec.collaborator),
        specs::suspended(spec.suspended),
        specs::excludes(&excluded),
        specs::guest_users(vec![match spec.pin {
            Pin::None => entry,
            Pin::Fits => specs::pinned(entry, address(1).as_str()),
            Pin::Differs => specs::pinned(entry, OTHER),
        }]),
        specs::overrides(match spec.role {
            Override::None => None,
            Override::Manager => Some(specs::override_of(MEMBER[0], true)),
            Override::Collaborator => Some(specs::override_of(MEMBER[0], false)),
            Override::Differs => Some(specs::pinned(specs::override_of(MEMBER[0], true), OTHER)),
        }),
        end(spec.ends),
        methods(spec.methods),
    ]
}

pub fn objects(setup: &Setup, declared: &Declared) -> Objects {
    let stored = |item: Item| Some((item.key(), item.object(setup, declared)?.into()));
    Item::all().filter_map(stored).collect()
}

/// The objects as the planner reads them.
pub fn index(setup: &Setup, declared: &Declared) -> ObjectCache {
    fn read<K: Watched>(object: Value) -> guestlist::cache::Object {
        serde_json::from_value::<ReceivedObject<K>>(object).unwrap().declared()
    }
    let mut index = ObjectCache::default();
    for item in Item::all() {
        let Some(object) = item.object(setup, declared) else { continue };
        index.apply(match item {
            Item::Partner(_) => read::<api::LocalPartner>(object),
            Item::Member(_) => read::<api::GuestMembership>(object),
            Item::Share(_) => read::<api::AccountShare>(object),
        });
    }
    index
}
