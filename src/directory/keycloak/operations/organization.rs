//! Partners: organizations created, updated, deactivated and purged.

use jiff::Timestamp;
use serde_json::json;

use super::super::super::apply::check_owner;
use super::super::super::{Applied, Error, Integrity, PartnerId, PartnerRecord};
use super::super::Inner;
use super::super::client::{Call, ClientError, optional};
use super::super::endpoints::{
    CREATE_ORGANIZATION, DELETE_ORGANIZATION, GET_MEMBER, LIST_MEMBERS, PUT_ORGANIZATION, REMOVE_MEMBER,
};
use super::super::representations::{Member, Organization, User};
use super::stale;
use crate::directory::keycloak::organizations;
use crate::directory::keycloak::users::{guest, profile};

impl Inner {
    /// Creates or updates a partner's organization. A suspended partner's organization is disabled, so that no person
    /// can be invited or sign in through it. That alone revokes no grant. At the end of the suspension, the
    /// organization is enabled before anything is granted.
    pub(super) async fn apply_partner(&self, record: PartnerRecord) -> Result<Applied, Error> {
        let owner = self.known_owner();
        if let Err(super::PreconditionFailed::Foreign(owner)) = check_owner(owner.as_ref(), &record.mark) {
            return Err(Error::Foreign { owner });
        }
        let existing = match self.read_partner(&record.id).await? {
            Some((known, _)) if known == record => return Ok(Applied { partner: Some(record), ..Applied::default() }),
            Some((known, _)) if !known.is_readable() => return Err(stale(&record.mark.name)),
            known => known.map(|(_, organization)| organization),
        };
        let enabled = match &existing {
            Some(organization) => !record.suspended || self.has_others(&record.id, organization).await?,
            None => !record.suspended,
        };
        self.write_partner(&record, existing, enabled).await
    }

    /// Whether the organization has members that guestlist did not create. Disabling it would lock them out, and
    /// Keycloak refuses changes of members of a disabled organization.
    async fn has_others(&self, id: &PartnerId, organization: &Organization) -> Result<bool, Error> {
        let members = self.users().members(&organization.id).await?;
        let guests = self.guests_of(id).await?;
        let made = |member: &String| guests.iter().any(|guest| guest.id == *member && guest::is_created(guest));
        Ok(!members.iter().all(made))
    }

    pub(super) async fn write_partner(
        &self,
        record: &PartnerRecord,
        existing: Option<Organization>,
        enabled: bool,
    ) -> Result<Applied, Error> {
        let wanted = |taken| organizations::wanted(record, existing.as_ref(), taken, enabled);
        let written = match self.put_organization(wanted(false)).await {
            // Another organization has the name, so this one gets a different name.
            Err(failed) if failed.is(409) => self.put_organization(wanted(true)).await,
            other => other,
        };
        match written {
            Ok(organization) => {
                self.set_organization(&record.id, Some(organization));
                Ok(Applied { partner: Some(record.clone()), ..Applied::default() })
            }
            Err(failed) if failed.is(409) => {
                let alias = organizations::alias(&record.mark);
                let message = format!(
                    "OwnershipMarkUnreadable: the organization {alias:?} exists without the ownership mark of this partner. \
                     Restore its attributes guestlist.*, or delete it: guestlist creates it again and invites its guests"
                );
                Err(Error::Refused { message })
            }
            Err(failed) => Err(failed.into()),
        }
    }

    /// Creates or replaces an organization. Returns the new state.
    async fn put_organization(&self, mut wanted: Organization) -> Result<Organization, ClientError> {
        let body = json!(wanted);
        if wanted.id.is_empty() {
            let answer = self.client.call(Call::post(CREATE_ORGANIZATION, &["organizations"]).json(body)).await?;
            wanted.id = answer.created.unwrap_or_default();
        } else {
            self.client.call(Call::put(PUT_ORGANIZATION, &["organizations", &wanted.id]).json(body)).await?;
        }
        Ok(wanted)
    }

    /// The guests of a partner's record, including deactivated ones.
    async fn guests_of(&self, id: &PartnerId) -> Result<Vec<User>, Error> {
        let (reader, mut found) = (self.users(), Vec::new());
        for user in reader.users_with(guest::PARTNER, &id.0).await? {
            if guest::recorded(reader.read(&user).await?.as_ref()).partner.as_ref() == Some(id) {
                found.push(user);
            }
        }
        // If the realm hides guestlist's attributes, it seems to have no guests.
        profile::check(&self.client).await?;
        Ok(found)
    }

    /// Whether the organization has any members. After all guests have left, they are members that guestlist did not
    /// add.
    async fn has_members(&self, organization: &str) -> Result<bool, Error> {
        let call = Call::get(LIST_MEMBERS, &["organizations", organization, "members"]);
        let some: Vec<Member> = self.client.call(call.with("briefRepresentation", true).page(0, 1)).await?.read()?;
        Ok(!some.is_empty())
    }

    /// Disables an empty organization and returns whether it is still empty, so that it can be deleted. With an
    /// organization, Keycloak deletes the users of its MANAGED members, who registered through an invitation. A
    /// disabled organization accepts no invitation, even an old link or an open page (measured on 26.7.3). A member
    /// that an administrator adds is UNMANAGED, and the user stays.
    async fn is_shut_and_empty(&self, organization: &Organization) -> Result<bool, Error> {
        if self.has_members(&organization.id).await? {
            return Ok(false);
        }
        if organization.enabled {
            self.put_organization(Organization { enabled: false, ..organization.clone() }).await?;
            return Ok(!self.has_members(&organization.id).await?);
        }
        Ok(true)
    }

    /// Removes a member from an organization. Keycloak would delete a managed user together with the membership, so
    /// that user stays a member.
    pub(super) async fn take_out(&self, organization: &Organization, user: &User) -> Result<bool, Error> {
        let path = ["organizations", &organization.id, "members", &user.id];
        let Some(member) = optional(self.client.call(Call::get(GET_MEMBER, &path)).await)? else { return Ok(true) };
        if member.read::<Member>()?.membership_type == "MANAGED" {
            tracing::warn!(
                organization = organization.alias,
                user = user.id,
                "the organization manages this user, and Keycloak would delete the user with the membership; the user stays in it"
            );
            return Ok(false);
        }
        optional(self.client.call(Call::delete(REMOVE_MEMBER, &path)).await)?;
        Ok(true)
    }

    pub(super) async fn deactivate_partner(&self, id: &PartnerId, at: Timestamp) -> Result<Applied, Error> {
        let Some((record, organization)) = self.read_partner(id).await? else { return Ok(partner_gone(id)) };
        if record.deactivated_at.is_some() {
            return Ok(Applied { partner: Some(record), ..Applied::default() });
        }
        if !record.is_readable() || self.guests_of(id).await?.iter().any(|user| guest::recorded(user).live) {
            return Err(stale(&record.mark.name));
        }
        // The organization stays enabled if other members remain.
        let enabled = organization.enabled && self.has_members(&organization.id).await?;
        let record =
            PartnerRecord { suspended: false, deactivated_at: Some(at), integrity: Integrity::Intact, ..record };
        let effect = self.write_partner(&record, Some(organization.clone()), enabled).await?;
        if organization.enabled && !enabled && self.has_members(&organization.id).await? {
            // A member joined while it was being disabled. A MANAGED member could no longer sign in anywhere, so it
            // is enabled again.
            return self.write_partner(&record, Some(organization), true).await;
        }
        Ok(effect)
    }

    pub(super) async fn purge_partner(&self, id: &PartnerId, since: Timestamp) -> Result<Applied, Error> {
        let Some((record, organization)) = self.read_partner(id).await? else { return Ok(partner_gone(id)) };
        if record.deactivated_at != Some(since) || !self.guests_of(id).await?.is_empty() {
            return Err(stale(&record.mark.name));
        }
        if self.is_shut_and_empty(&organization).await? {
            let call = Call::delete(DELETE_ORGANIZATION, &["organizations", &organization.id]);
            optional(self.client.call(call).await)?;
        } else {
            // Other members remain, so the organization stays, without an ownership mark.
            tracing::warn!(
                organization = organization.alias,
                "has members that guestlist did not add; it is not deleted, only the ownership mark is removed"
            );
            self.put_organization(organizations::unmarked(&organization)).await?;
        }
        self.set_organization(id, None);
        Ok(partner_gone(id))
    }
}

fn partner_gone(id: &PartnerId) -> Applied {
    Applied { partner_gone: Some(id.clone()), ..Applied::default() }
}
