//! Partners: organizations created, updated, deactivated and purged.

use jiff::Timestamp;
use serde_json::Value;

use super::super::super::apply::ours;
use super::super::super::{Applied, Error, PartnerId, PartnerRecord};
use super::super::Inner;
use super::super::client::{Call, ClientError, optional};
use super::super::endpoints::{
    CREATE_ORGANIZATION, DELETE_ORGANIZATION, GET_MEMBER, LIST_MEMBERS, PUT_ORGANIZATION, REMOVE_MEMBER,
};
use super::super::representations::{Member, Organization, User};
use super::stale;
use crate::directory::keycloak::organizations;
use crate::directory::keycloak::users::reader::Home;
use crate::directory::keycloak::users::{guest, profile};

impl Inner {
    /// Creates or updates a partner's organization. A suspended partner's organization is disabled, so that no person
    /// can be invited or sign in through it. That alone revokes no grant, and ends first when the suspension ends.
    pub(super) async fn apply_partner(&self, record: PartnerRecord) -> Result<Applied, Error> {
        let owner = self.known_owner();
        if let Err(super::PreconditionFailed::Foreign(owner)) = ours(owner.as_ref(), &record.mark) {
            return Err(Error::Foreign { owner });
        }
        let existing = match self.read_partner(&record.id).await? {
            Some((known, _)) if known == record => return Ok(Applied { partner: Some(record), ..Applied::default() }),
            Some((_, organization)) => Some(organization),
            None => self.left_of(&record).await?,
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
        let members = self.people().members(&organization.id).await?;
        let guests = self.guests_of(id).await?;
        let made = |member: &String| guests.iter().any(|guest| guest.id == *member && guest::is_made(guest));
        Ok(!members.iter().all(made))
    }

    /// The partner's organization after its ownership mark was removed by hand. Alias and UID are unique to it. Its
    /// members are the partner's guests and need no new invitation.
    async fn left_of(&self, record: &PartnerRecord) -> Result<Option<Organization>, Error> {
        for question in
            [format!("alias:\"{}\"", organizations::alias(&record.mark)), organizations::with_uid(&record.mark)]
        {
            let found = self.organizations_with(&question).await?;
            if let Some(left) = found.into_iter().find(|organization| organizations::is_left_of(organization, record)) {
                tracing::warn!(
                    organization = left.alias,
                    "this organization belongs to a partner, and its ownership mark was missing"
                );
                return Ok(Some(left));
            }
        }
        Ok(None)
    }

    pub(super) async fn write_partner(
        &self,
        record: &PartnerRecord,
        existing: Option<Organization>,
        enabled: bool,
    ) -> Result<Applied, Error> {
        let body = |taken| organizations::body(record, existing.as_ref(), taken, enabled);
        let written = match self.put_organization(existing.as_ref(), body(false)).await {
            // Another organization has the name, so this one gets a different name.
            Err(failed) if failed.is(409) => self.put_organization(existing.as_ref(), body(true)).await,
            other => other,
        };
        match written {
            Ok(organization) => {
                self.set_home(&record.id, Some(Home { organization, mark: record.mark.clone() }));
                Ok(Applied { partner: Some(record.clone()), ..Applied::default() })
            }
            Err(failed) if failed.is(409) => {
                Err(Error::Exists { what: format!("organization {:?}", organizations::alias(&record.mark)) })
            }
            Err(failed) => Err(failed.into()),
        }
    }

    /// Creates or replaces an organization. Returns the new state.
    async fn put_organization(
        &self,
        existing: Option<&Organization>,
        body: Value,
    ) -> Result<Organization, ClientError> {
        let mut now: Organization = serde_json::from_value(body.clone()).map_err(|error| {
            ClientError::Fault(Error::Refused { message: format!("failed to write an organization: {error}") })
        })?;
        match existing {
            Some(existing) => {
                let call = Call::put(PUT_ORGANIZATION, &["organizations", &existing.id]);
                self.client.call(call.json(body)).await?;
                now.id.clone_from(&existing.id);
            }
            None => {
                let answer = self.client.call(Call::post(CREATE_ORGANIZATION, &["organizations"]).json(body)).await?;
                now.id = answer.created.unwrap_or_default();
            }
        }
        Ok(now)
    }

    /// The guests of a partner's record, including deactivated ones.
    async fn guests_of(&self, id: &PartnerId) -> Result<Vec<User>, Error> {
        let (people, mut found) = (self.people(), Vec::new());
        for user in people.users_with(guest::PARTNER, &id.0).await? {
            if guest::recorded(people.himself(&user).await?.as_ref()).partner.as_ref() == Some(id) {
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
            self.put_organization(Some(organization), organizations::switched_off(organization)).await?;
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
        if self.guests_of(id).await?.iter().any(|user| guest::recorded(user).live) {
            return Err(stale(&record.mark.name));
        }
        // The organization stays enabled if other members remain.
        let enabled = organization.enabled && self.has_members(&organization.id).await?;
        let record = PartnerRecord {
            display_name: organizations::plain(&record.display_name).to_owned(),
            suspended: false,
            deactivated_at: Some(at),
            ..record
        };
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
            self.put_organization(Some(&organization), organizations::unmarked(&organization))
                .await
                .map_err(Error::from)?;
        }
        self.set_home(id, None);
        Ok(partner_gone(id))
    }
}

fn partner_gone(id: &PartnerId) -> Applied {
    Applied { partner_gone: Some(id.clone()), ..Applied::default() }
}
