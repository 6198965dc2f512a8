//! Operations as sequences of calls. Keycloak has no transactions. Each sequence revokes first; after a crash, the
//! next check finds the rest and repeats it.

mod admit;
mod guest;
mod invitation;
mod organization;
mod ownership;
mod revoke;
mod sessions;
mod write;

pub use invitation::Lifetime;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::OwnedMutexGuard;

use super::super::apply::PreconditionFailed;
use super::super::{
    Applied, DirectoryWriter, Epoch, Error, GuestChange, GuestRecord, Integrity, Operation, Owner, PartnerChange,
    PartnerRecord, Revision,
};
use super::{Directory, Inner, PoisonError};
use crate::directory::keycloak::users::profile;
use crate::domain::ShareRole;

/// The error for a record that changed after planning.
fn stale(what: impl ToString) -> Error {
    Error::Changed { what: what.to_string() }
}

/// The error for a failed precondition.
fn refusal(refusal: PreconditionFailed, record: &GuestRecord) -> Error {
    match refusal {
        PreconditionFailed::Stale => stale(&record.address),
        PreconditionFailed::Adopted => {
            Error::Refused { message: format!("{} was adopted, not created by guestlist", record.address) }
        }
        PreconditionFailed::Created => Error::Refused { message: format!("{} was not adopted", record.address) },
        PreconditionFailed::Foreign(owner) => Error::Foreign { owner },
    }
}

/// The revision that an operation was planned on, its time and its epoch.
#[derive(Clone, Copy)]
struct Context {
    basis: Option<Revision>,
    at: Timestamp,
    epoch: Epoch,
}

impl Inner {
    /// Waits for exclusive access to the guest or partner. Sending a mail may take long. A concurrent removal waits
    /// for it, so a failed mail cannot undo the removal.
    async fn alone_with(&self, operation: &Operation) -> Vec<OwnedMutexGuard<()>> {
        let names: Vec<&str> = match operation {
            Operation::Guest { id, change: GuestChange::Invite(new) } => vec![new.address.as_str(), &id.0],
            Operation::Guest { id, .. } => vec![&id.0],
            Operation::Partner { id, .. } => vec![&id.0],
            Operation::ForgetShare { .. } => Vec::new(),
        };
        let mut held = Vec::new();
        for name in names {
            held.push(self.locks.hold(name).await);
        }
        held
    }

    async fn execute(&self, operation: &Operation, cx: Context) -> Result<Applied, Error> {
        match operation {
            Operation::Guest { id, change: GuestChange::Invite(new) } => self.invite_guest(id, new, cx).await,
            Operation::Guest { id, change } => self.change_guest(id, change, cx).await,
            Operation::Partner { id, change: PartnerChange::Apply { mark, display_name, host_admins, suspended } } => {
                let record = PartnerRecord {
                    id: id.clone(),
                    mark: mark.clone(),
                    display_name: display_name.clone(),
                    host_admins: host_admins.clone(),
                    suspended: *suspended,
                    deactivated_at: None,
                    integrity: Integrity::Intact,
                };
                self.apply_partner(record).await
            }
            Operation::Partner { id, change: PartnerChange::Deactivate } => self.deactivate_partner(id, cx.at).await,
            Operation::Partner { id, change: PartnerChange::Purge { since } } => self.purge_partner(id, *since).await,
            Operation::ForgetShare { share_uid } => self.forget_share(share_uid).await,
        }
    }

    async fn forget_share(&self, uid: &str) -> Result<Applied, Error> {
        let known = self.groups().shares().await?.into_iter().find(|share| share.uid == uid);
        for role in [ShareRole::Collaborator, ShareRole::Manager] {
            let Some(share) = &known else { continue };
            let held = format!("{}:{}", share.account, role.as_str().to_lowercase());
            for user in self.users().users_with(super::grants::ACCOUNTS, &held).await? {
                let Some(guest) = self.guest_record(&user).await? else { continue };
                if guest.grants.values().any(|held| held.grant.share_uid == uid) {
                    let (account, partner) = (&share.account, &share.partner_name);
                    let share =
                        format!("the share of {account} with {partner}, through which {} holds it", guest.address);
                    return Err(stale(share));
                }
            }
        }
        // If the realm hides guestlist's attributes, it seems to have no grants.
        profile::check(&self.client).await?;
        self.shares.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        self.groups().forget_share(uid).await?;
        Ok(Applied { share_gone: Some(uid.to_owned()), ..Applied::default() })
    }
}

impl DirectoryWriter for Directory {
    fn claim<'a>(&'a self, owner: &'a Owner) -> BoxFuture<'a, Result<(), Error>> {
        self.0.claim(owner).boxed()
    }

    fn take_over<'a>(&'a self, owner: &'a Owner) -> BoxFuture<'a, Result<(), Error>> {
        self.0.take_over(owner).boxed()
    }

    fn epoch(&self) -> BoxFuture<'_, Result<Epoch, Error>> {
        self.0.epoch().boxed()
    }

    fn lead(&self) -> BoxFuture<'_, Result<Epoch, Error>> {
        self.0.lead().boxed()
    }

    /// Keycloak has no compare-and-set. Each operation first checks the leader, but a leader must also stop by itself
    /// when its term ends.
    fn fences(&self) -> bool {
        false
    }

    fn check_writable(&self) -> BoxFuture<'_, Result<(), Error>> {
        async { Ok(self.0.groups().rewrite_root().await?) }.boxed()
    }

    fn execute<'a>(
        &'a self,
        operation: &'a Operation,
        basis: Option<Revision>,
        at: Timestamp,
        epoch: Epoch,
    ) -> BoxFuture<'a, Result<Applied, Error>> {
        let (inner, operation) = (Arc::clone(&self.0), operation.clone());
        async move {
            // If the caller gives up before this point, the operation does not start.
            let held = inner.alone_with(&operation).await;
            inner.leads(epoch).await?;
            // A task of its own: a caller who gives up neither interrupts the sequence of calls nor lets the next
            // operation overtake it.
            let work = tokio::spawn(async move {
                let _held = held;
                inner.execute(&operation, Context { basis, at, epoch }).await
            });
            match work.await {
                Ok(done) => done,
                // The caller's task knows the object, so the panic continues there.
                Err(error) => match error.try_into_panic() {
                    Ok(payload) => std::panic::resume_unwind(payload),
                    Err(_) => Err(Error::Unavailable { context: "the operator is stopping".to_owned() }),
                },
            }
        }
        .boxed()
    }
}
