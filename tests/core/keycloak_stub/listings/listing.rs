//! Each listing that guestlist reads in pages: a realm with a number of rows, and the facts that are known after
//! reading it.

use std::collections::BTreeSet;

use guestlist::directory::{
    Changed, Cursor, DirectoryReader as _, DirectoryWriter as _, Error, GrantRecord, GuestRecord, Operation, Origin,
    PartnerChange,
};
use serde_json::json;

use super::super::furnish::{acme, admit, at, bob, ensure_partner, us};
use super::super::{BEGAN, Stage};
use crate::support::realm_in_memory::{Asked, Realm};

/// A listing that guestlist reads in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    Users,
    /// All users. The only guest comes last.
    Guests,
    Accounts,
    Mails,
    Shares,
    Partners,
    /// Members. The guest comes last, and one invitation was left behind.
    Members,
    /// Users whose claims are blocked. The guest comes last.
    Untold,
    /// Users found by an attribute: all former guests of a partner but the last.
    Found,
    /// The last event is about the guest.
    AdminEvents,
    UserEvents,
}

pub const ALL: [Listing; 11] = [
    Listing::Users,
    Listing::Guests,
    Listing::Accounts,
    Listing::Mails,
    Listing::Shares,
    Listing::Partners,
    Listing::Members,
    Listing::Untold,
    Listing::Found,
    Listing::AdminEvents,
    Listing::UserEvents,
];

impl Listing {
    pub fn page(self) -> usize {
        match self {
            Self::Members | Self::Untold => 1000,
            _ => 100,
        }
    }

    /// Whether this is the listing of all users.
    pub fn is_of_users(self) -> bool {
        matches!(self, Self::Users | Self::Guests)
    }

    pub fn is_of_events(self) -> bool {
        matches!(self, Self::AdminEvents | Self::UserEvents)
    }

    /// Whether a request reads a page of this listing.
    pub fn is_asked(self, asked: &Asked, realm: &Realm) -> bool {
        let below = |branch: &str| {
            let path =
                |id: &String| realm.groups.get(id).is_some_and(|group| group["path"] == format!("/guestlist/{branch}"));
            asked.path.first().is_some_and(|first| first == "groups")
                && asked.path.len() == 3
                && path(&asked.path[1])
                && asked.value("search").is_none()
        };
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        let found = asked.value("q").is_some();
        asked.is_read()
            && match (self, path.as_slice()) {
                (Self::Users | Self::Guests, ["users"]) => !found && asked.value("email").is_none(),
                (Self::Found, ["users"]) => asked.value("q").is_some_and(|q| q.starts_with("guestlist.partner:")),
                (Self::Accounts, _) => below("accounts"),
                (Self::Mails, _) => below("mails"),
                (Self::Shares, _) => below("shares"),
                (Self::Untold, _) => below("claims-blocked"),
                (Self::Partners, ["organizations"]) => !found,
                (Self::Members, ["organizations", _, "members"]) => true,
                (Self::AdminEvents, ["admin-events"]) | (Self::UserEvents, ["events"]) => {
                    asked.value("direction") == Some("asc")
                }
                _ => false,
            }
    }

    /// A realm with this number of rows. `count` is greater than zero.
    pub async fn filled(self, count: usize) -> Realm {
        let mut realm = match self {
            Self::Guests | Self::Members | Self::Untold | Self::Found | Self::AdminEvents | Self::UserEvents => {
                with_bob().await
            }
            _ => Realm::new(BEGAN),
        };
        let names = (0..count).map(|n| format!("{n:05}"));
        match self {
            Self::Users => names.for_each(|name| drop(realm.stranger(&name))),
            Self::Guests => names.skip(1).for_each(|name| drop(realm.stranger(&name))),
            Self::Accounts | Self::Mails | Self::Shares => {
                let (branch, attributes) = match self {
                    Self::Accounts => ("accounts", json!({"name": ["ads"]})),
                    Self::Mails => ("mails", json!({"mailed-at": [at(0).to_string()]})),
                    _ => ("shares", json!({"partner": ["acme"], "account": ["ads"]})),
                };
                let children = format!("groups/{}/children", realm.group(&format!("/guestlist/{branch}")));
                for name in names {
                    realm.add(&children, json!({"name": format!("{name}@acme.example"), "attributes": attributes}));
                }
            }
            Self::Partners => {
                for name in names {
                    let mark = ["installation", "cluster", "namespace", "name", "uid", "id"];
                    let attributes: serde_json::Map<_, _> =
                        mark.map(|part| (format!("guestlist.{part}"), json!([name]))).into_iter().collect();
                    realm.add(
                        "organizations",
                        json!({"name": name, "alias": name, "enabled": true, "attributes": attributes}),
                    );
                }
            }
            Self::Members => {
                let organization = realm.organizations.keys().next().unwrap().clone();
                for name in names.skip(1) {
                    let user = realm.stranger(&name);
                    realm.members.insert((organization.clone(), user), false);
                }
                let row = realm.invitations.clone();
                realm.joins("bob@acme.example", Some("otp"));
                realm.invitations = row;
            }
            Self::Untold => {
                let untold = realm.group("/guestlist/claims-blocked");
                let mut told = vec!["bob@acme.example".to_owned()];
                for name in names.skip(1) {
                    realm.stranger(&name);
                    told.push(format!("{name}@host.example"));
                }
                let places: Vec<_> = told.iter().map(|address| (untold.clone(), realm.id_of(address))).collect();
                realm.in_group.extend(places);
                let bob = realm.id_of("bob@acme.example");
                realm.users.get_mut(&bob).unwrap()["attributes"]["guestlist.accounts"] = json!(["ads:collaborator"]);
            }
            Self::Found => {
                let live = realm.users[&realm.id_of("bob@acme.example")].clone();
                for name in names.skip(1) {
                    let text = live.to_string().replace("bob@acme.example", &format!("{name}@acme.example"));
                    let text = text
                        .replace("g-bob", &name)
                        .replace("\\\"admittedAt", "\\\"deactivatedAt\\\":\\\"2026-01-01T00:00:00Z\\\",\\\"admittedAt");
                    realm.put_user(serde_json::from_str(&text).unwrap());
                }
            }
            Self::AdminEvents | Self::UserEvents => {
                let user = realm.id_of("bob@acme.example");
                let of_user = self == Self::UserEvents;
                (realm.admin_events, realm.events) = (Vec::new(), Vec::new());
                for n in 1..=count {
                    let event = match (of_user, n == count) {
                        (true, true) => json!({"type": "UPDATE_PROFILE", "userId": user}),
                        (true, false) => json!({"type": "LOGIN", "userId": user}),
                        (false, true) => json!({"resourceType": "USER", "resourcePath": format!("users/{user}")}),
                        (false, false) => json!({"resourceType": "CLIENT", "resourcePath": "clients/1"}),
                    };
                    realm.tell(of_user, event);
                }
            }
        }
        realm
    }

    /// Reads the listing. Returns the facts that are then known.
    pub async fn read(self, stage: &Stage) -> Result<BTreeSet<String>, Error> {
        let directory = &stage.directory;
        Ok(match self {
            Self::Users => {
                let users = directory.users(None).await?.items;
                users.into_iter().map(|user| user.email.as_str().split('@').next().unwrap().to_owned()).collect()
            }
            Self::Accounts => directory
                .accounts(None)
                .await?
                .items
                .into_iter()
                .map(|_| ())
                .enumerate()
                .map(|(n, ())| format!("{n:05}"))
                .collect(),
            Self::Mails => directory
                .mails(None)
                .await?
                .items
                .into_iter()
                .map(|mail| mail.address.as_str()[..5].to_owned())
                .collect(),
            Self::Shares => {
                directory.shares(None).await?.items.into_iter().map(|share| share.uid[..5].to_owned()).collect()
            }
            Self::Partners => directory.partners(None).await?.items.into_iter().map(|partner| partner.id.0).collect(),
            Self::Guests | Self::Members | Self::Untold => {
                let found = stage.guests().await?;
                let is_there = |guest: &GuestRecord| match self {
                    Self::Members => guest.joined_at.is_some(),
                    Self::Untold => guest.grants.values().all(GrantRecord::is_blocked),
                    _ => true,
                };
                found.iter().filter(|guest| is_there(guest)).map(|guest| guest.address.to_string()).collect()
            }
            Self::Found => {
                let put_away = Operation::Partner { id: acme(), change: PartnerChange::Deactivate };
                let epoch = directory.epoch().await?;
                match directory.execute(&put_away, None, at(0), epoch).await {
                    Err(Error::Changed { .. }) => [bob().to_string()].into(),
                    Err(fault) => return Err(fault),
                    Ok(_) => BTreeSet::new(),
                }
            }
            Self::AdminEvents | Self::UserEvents => {
                let changes = directory.changes(Cursor(0)).await?.changed;
                let named = |one: &Changed| matches!(one, Changed::Guest(_) | Changed::User(_));
                changes.iter().filter(|one| named(one)).map(|_| bob().to_string()).collect()
            }
        })
    }

    /// The facts that are known after a complete read.
    pub fn whole(self, count: usize) -> BTreeSet<String> {
        match self {
            Self::Users | Self::Accounts | Self::Mails | Self::Shares | Self::Partners => {
                (0..count).map(|n| format!("{n:05}")).collect()
            }
            _ => [bob().to_string()].into(),
        }
    }
}

/// A realm with the partner acme, to which Bob is invited.
pub async fn with_bob() -> Realm {
    let mut realm = Realm::new(BEGAN);
    let told = realm.group("/guestlist/claims-enabled");
    for group in [told, realm.group("/guestlist")] {
        realm.groups.get_mut(&group).unwrap()["attributes"] = json!({"guestlist.claims-enabled": ["true"]});
    }
    let stage = Stage::on(realm);
    stage.directory.claim(&us()).await.unwrap();
    let epoch = stage.directory.lead().await.unwrap();
    for operation in [ensure_partner(false), admit(Origin::Created)] {
        stage.directory.execute(&operation, None, at(0), epoch).await.unwrap();
    }
    stage.realm(|realm| realm.clone())
}

/// A directory that has read everything but this listing.
pub async fn stage(listing: Listing, count: usize) -> Stage {
    of(listing, listing.filled(count).await).await
}

/// The same in this realm.
pub async fn of(listing: Listing, realm: Realm) -> Stage {
    let stage = Stage::on(realm);
    if listing != Listing::Partners {
        stage.directory.owner().await.unwrap();
        stage.directory.partners(None).await.unwrap();
    }
    stage
}
