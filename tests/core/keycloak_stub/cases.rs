//! Changes of a realm, and the states in which they start.

use guestlist::directory::import::UserChanges;
use guestlist::directory::{
    AccountRecord, DirectoryWriter as _, Epoch, Error, GuestChange, GuestRecord, Import, Operation, Origin, Owner,
    PartnerChange,
};
use guestlist::domain::MfaMethod;
use guestlist::domain::ShareRole::{Collaborator, Manager};
use jiff::Timestamp;
use serde_json::json;

use super::furnish::{acme, admit, at, email, ensure_partner, give, grant, guest, mark, us};
use super::{BEGAN, Stage};
use crate::support::realm_in_memory::Realm;

/// A change of the realm.
#[derive(Clone, Debug)]
pub enum Action {
    Do(Box<Operation>),
    Claim,
    TakeOver(Owner),
    SetOwner(&'static str, &'static str),
    SetDeleted(&'static str),
    Import,
}

impl Action {
    /// Makes the change in the current term. Returns Bob's record, if the change reports it.
    pub async fn run(&self, stage: &Stage, now: Timestamp) -> Result<Option<GuestRecord>, Error> {
        let directory = &stage.directory;
        match self {
            Self::Do(operation) => {
                let epoch = stage.epoch();
                return directory.execute(operation, None, now, epoch).await.map(|effect| effect.guest);
            }
            Self::Claim => directory.claim(&us()).await,
            Self::TakeOver(owner) => directory.take_over(owner).await,
            Self::SetOwner(account, owner) => directory.set_owner(account, &[email(owner)].into()).await.map(drop),
            Self::SetDeleted(account) => directory.set_deleted(account, true).await.map(drop),
            Self::Import => {
                let accounts = ["youtube", "instagram"].map(|name| account(name, "carla@host.example")).to_vec();
                let said =
                    directory.import(&Import { users: Vec::new(), accounts }, UserChanges::LeaveOut, false).await?;
                let failed = said.lines.into_iter().find(|(_, line)| line.contains("the directory"));
                failed.map_or(Ok(()), |(_, context)| Err(Error::Unavailable { context }))
            }
        }
        .map(|()| None)
    }
}

impl Stage {
    /// The epoch of the realm's leader: a leader remembers its own term.
    pub fn epoch(&self) -> Epoch {
        self.realm(|realm| {
            let leader = realm.groups.values().find(|group| group["path"] == "/guestlist/leader");
            let epoch = leader.and_then(|group| group["attributes"]["epoch"][0].as_str()?.parse().ok());
            Epoch(epoch.unwrap_or(0))
        })
    }
}

/// A state of a realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The realm has no owner.
    Fresh,
    /// guestlist owns the realm. It has accounts.
    Ours,
    /// The realm has a partner.
    Partner,
    /// The partner is deactivated.
    PartnerGone,
    Invited,
    /// The invitation is revoked.
    Revoked,
    Joined,
    /// A member who has followed the invitation, and has no password yet.
    JoinedHalfWay,
    Given,
    Disabled,
    Deactivated,
    /// The grant of one account is revoked.
    Withheld,
    /// The grants of all accounts are revoked.
    AllWithheld,
    /// The guest is a workspace user who may be adopted.
    Workspace,
    AdoptedJoined,
    AdoptedGiven,
}

impl State {
    /// The preceding state, and the operations that lead from it to this one.
    fn steps(self) -> (Option<Self>, Vec<Operation>) {
        let withhold = |accounts: &[&str]| {
            let accounts = accounts.iter().map(|&account| account.to_owned()).collect();
            vec![Operation::Guest { id: guest(), change: GuestChange::Revoke { accounts } }]
        };
        match self {
            Self::Fresh => (None, vec![]),
            Self::Ours => (Some(Self::Fresh), vec![]),
            Self::Partner => (Some(Self::Ours), vec![ensure_partner(false)]),
            Self::PartnerGone => {
                (Some(Self::Partner), vec![Operation::Partner { id: acme(), change: PartnerChange::Deactivate }])
            }
            Self::Invited => (Some(Self::Partner), vec![admit(Origin::Created)]),
            Self::Revoked => {
                (Some(Self::Invited), vec![Operation::Guest { id: guest(), change: GuestChange::RevokeInvitation }])
            }
            Self::Joined | Self::JoinedHalfWay => (Some(Self::Invited), vec![]),
            Self::Given => (Some(Self::Joined), vec![give(&[("instagram", Manager), ("tiktok", Collaborator)])]),
            Self::Disabled => {
                (Some(Self::Joined), vec![Operation::Guest { id: guest(), change: GuestChange::DisableLogin }])
            }
            Self::Deactivated => {
                (Some(Self::Given), vec![Operation::Guest { id: guest(), change: GuestChange::Deactivate }])
            }
            Self::Withheld => (Some(Self::Given), withhold(&["instagram"])),
            Self::AllWithheld => (Some(Self::Given), withhold(&["instagram", "tiktok"])),
            Self::Workspace => (Some(Self::Partner), vec![]),
            Self::AdoptedJoined => (Some(Self::Workspace), vec![admit(Origin::Adopted)]),
            Self::AdoptedGiven => (Some(Self::AdoptedJoined), vec![give(&[("instagram", Manager)])]),
        }
    }

    /// A realm in this state.
    pub async fn realm(self) -> Realm {
        let (before, operations) = self.steps();
        let Some(before) = before else { return Realm::new(BEGAN) };
        let stage = Stage::on(Box::pin(before.realm()).await);
        if self == Self::Ours {
            stage.directory.claim(&us()).await.unwrap();
            stage.directory.lead().await.unwrap();
            stage.realm(furnish);
            let accounts = ["instagram", "tiktok"].map(|name| account(name, "alice@host.example")).to_vec();
            let import = Import { users: Vec::new(), accounts };
            stage.directory.import(&import, UserChanges::LeaveOut, false).await.unwrap();
        }
        for operation in operations {
            stage.directory.execute(&operation, None, at(0), stage.epoch()).await.unwrap();
        }
        stage.realm(|realm| {
            match self {
                Self::Joined | Self::AdoptedJoined => realm.joins("bob@acme.example", Some("otp")),
                Self::JoinedHalfWay => {
                    let (user, organization) =
                        (realm.id_of("bob@acme.example"), realm.organizations.keys().next().unwrap().clone());
                    realm.admin("POST", &format!("organizations/{organization}/members"), json!(user));
                    realm.invitations.clear();
                }
                Self::Workspace => {
                    let user = realm.stranger("bob");
                    let user = realm.users.get_mut(&user).unwrap();
                    (user["username"], user["email"]) = (json!("bob@acme.example"), json!("bob@acme.example"));
                    user["emailVerified"] = json!(true);
                }
                _ => {}
            }
            if matches!(self, Self::Joined | Self::Given | Self::AllWithheld | Self::AdoptedGiven) {
                let user = realm.id_of("bob@acme.example");
                realm.sessions = [("session-1".to_owned(), user.clone())].into();
                realm.offline = [("session-2".to_owned(), (user, "app".to_owned()))].into();
            }
            realm.clone()
        })
    }
}

/// The result of `guestlist directory setup`, with people of the workspace.
fn furnish(realm: &mut Realm) {
    for path in ["/guestlist", "/guestlist/claims-enabled"] {
        let group = realm.group(path);
        realm.groups.get_mut(&group).unwrap()["attributes"]["guestlist.claims-enabled"] = json!(["true"]);
    }
    for name in ["alice", "carla"] {
        realm.stranger(name);
    }
}

fn account(name: &str, owner: &str) -> AccountRecord {
    AccountRecord { name: name.to_owned(), owners: vec![email(owner)], deleted: false }
}

/// Every operation and every other change, each with the states in which it starts.
pub fn all() -> Vec<(State, Action)> {
    let who = guest;
    let describe = Operation::Guest {
        id: who(),
        change: GuestChange::Update {
            mark: mark("robert", Origin::Created),
            partner: acme(),
            partner_name: "acme".to_owned(),
            display_name: "Robert Example".to_owned(),
            allowed: [MfaMethod::TOTP].into(),
        },
    };
    let lower =
        Operation::Guest { id: who(), change: GuestChange::Reduce { grants: vec![grant("instagram", Collaborator)] } };
    let withhold =
        Operation::Guest { id: who(), change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] } };
    let reset = Operation::Guest { id: who(), change: GuestChange::ResetMfa { enrolled_before: at(50_000) } };
    let invite = Operation::Guest { id: who(), change: GuestChange::ResendInvitation { expires_at: at(200_000) } };
    let destroy = Operation::Guest { id: who(), change: GuestChange::Purge { since: at(0), at_most: 9 } };
    let forget = Operation::ForgetShare { share_uid: "u-instagram".to_owned() };
    let (give_both, raise) = (give(&[("instagram", Manager), ("tiktok", Collaborator)]), give(&[("tiktok", Manager)]));
    let operations = [
        (State::Ours, ensure_partner(false)),
        (State::PartnerGone, ensure_partner(false)),
        (State::Partner, ensure_partner(true)),
        (State::Given, ensure_partner(true)),
        (State::Partner, Operation::Partner { id: acme(), change: PartnerChange::Deactivate }),
        (State::PartnerGone, Operation::Partner { id: acme(), change: PartnerChange::Purge { since: at(0) } }),
        (State::Partner, admit(Origin::Created)),
        (State::Deactivated, admit(Origin::Created)),
        (State::Workspace, admit(Origin::Adopted)),
        (State::Invited, invite.clone()),
        (State::JoinedHalfWay, invite.clone()),
        (State::Revoked, invite),
        (State::Invited, Operation::Guest { id: who(), change: GuestChange::RevokeInvitation }),
        (State::Invited, Operation::Guest { id: who(), change: GuestChange::Deactivate }),
        (State::Given, Operation::Guest { id: who(), change: GuestChange::Deactivate }),
        (State::AllWithheld, Operation::Guest { id: who(), change: GuestChange::DisableLogin }),
        (State::Disabled, Operation::Guest { id: who(), change: GuestChange::EnableLogin }),
        (State::Given, Operation::Guest { id: who(), change: GuestChange::Demote }),
        (State::Given, withhold),
        (State::Given, lower),
        (State::Joined, give_both.clone()),
        (State::AdoptedJoined, give_both),
        (State::Given, raise),
        (State::Given, reset),
        (State::AdoptedGiven, Operation::Guest { id: who(), change: GuestChange::Release }),
        (State::Given, Operation::Guest { id: who(), change: GuestChange::Detach }),
        (State::Deactivated, destroy),
        (State::Withheld, forget),
        (State::Given, describe),
    ];
    let owner = Owner { installation: "other".to_owned(), cluster: "c-2".to_owned() };
    let others = [
        (State::Fresh, Action::Claim),
        (State::Given, Action::TakeOver(owner)),
        (State::Given, Action::SetOwner("instagram", "carla@host.example")),
        (State::Given, Action::SetDeleted("tiktok")),
        (State::Given, Action::Import),
    ];
    operations.into_iter().map(|(state, operation)| (state, Action::Do(Box::new(operation)))).chain(others).collect()
}
