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
    /// A partner that is suspended is switched off, so that nobody is invited or signs in through its organization. That does
    /// not withhold anything by itself, and is undone first.
    pub(super) async fn ensure_partner(&self, record: PartnerRecord) -> Result<Applied, Error> {
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

    /// Whether somebody is a member whom guestlist did not make: he would be locked out with its guests, and Keycloak lets
    /// nobody change him where his organization is off.
    async fn has_others(&self, id: &PartnerId, organization: &Organization) -> Result<bool, Error> {
        let members = self.people().members(&organization.id).await?;
        let guests = self.guests_of(id).await?;
        let made = |member: &String| guests.iter().any(|guest| guest.id == *member && guest::is_made(guest));
        Ok(!members.iter().all(made))
    }

    /// The organization that was this partner's before somebody took off what says so. Nobody else's has its alias or its UID;
    /// its members are the partner's guests, and need no other invitation.
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
            // Somebody else's organization has the name. That is nobody's business: ours gets another.
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

    /// Creates or replaces an organization; as it is now.
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

    /// The guests of a partner's record, deactivated ones too.
    async fn guests_of(&self, id: &PartnerId) -> Result<Vec<User>, Error> {
        let (people, mut found) = (self.people(), Vec::new());
        for user in people.users_with(guest::PARTNER, &id.0).await? {
            if guest::recorded(people.himself(&user).await?.as_ref()).partner.as_ref() == Some(id) {
                found.push(user);
            }
        }
        // A realm that does not show our attributes any more seems to have nobody of ours.
        profile::check(&self.client).await?;
        Ok(found)
    }

    /// Whether anybody at all is a member of an organization: somebody whom we did not bring, once our guests are gone.
    async fn has_members(&self, organization: &str) -> Result<bool, Error> {
        let call = Call::get(LIST_MEMBERS, &["organizations", organization, "members"]);
        let some: Vec<Member> = self.client.call(call.with("briefRepresentation", true).page(0, 1)).await?.read()?;
        Ok(!some.is_empty())
    }

    /// Whether nobody is in an organization and nobody can come in any more: Keycloak deletes its MANAGED members' users with it,
    /// those who registered by somebody else's invitation. Switched off it lets nobody in by one, however old the link
    /// (measured on 26.7.3, also where the page was open before); whom an administrator adds is UNMANAGED and stays.
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

    /// Takes somebody out of an organization. Whom the organization manages, Keycloak would delete with his membership: he
    /// stays in it.
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
        // Whoever else is in there is not ours to switch off.
        let enabled = organization.enabled && self.has_members(&organization.id).await?;
        let record = PartnerRecord {
            display_name: organizations::plain(&record.display_name).to_owned(),
            suspended: false,
            deactivated_at: Some(at),
            ..record
        };
        let effect = self.write_partner(&record, Some(organization.clone()), enabled).await?;
        if organization.enabled && !enabled && self.has_members(&organization.id).await? {
            // Somebody came in while it was being switched off: a MANAGED one could not sign in anywhere any more.
            return self.write_partner(&record, Some(organization), true).await;
        }
        Ok(effect)
    }

    pub(super) async fn destroy_partner(&self, id: &PartnerId, since: Timestamp) -> Result<Applied, Error> {
        let Some((record, organization)) = self.read_partner(id).await? else { return Ok(partner_gone(id)) };
        if record.deactivated_at != Some(since) || !self.guests_of(id).await?.is_empty() {
            return Err(stale(&record.mark.name));
        }
        if self.is_shut_and_empty(&organization).await? {
            let call = Call::delete(DELETE_ORGANIZATION, &["organizations", &organization.id]);
            optional(self.client.call(call).await)?;
        } else {
            // These members are not ours: it stays as it was, as nobody's.
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
