//! First acceptance: a user who is created, reactivated or adopted, with the ownership mark, and one invitation. The
//! record is written before the mail is requested, so a crash in between sends no mail rather than two.

use jiff::Timestamp;
use serde_json::json;

use super::super::super::apply::check_owner;
use super::super::super::{
    Applied, Error, GuestId, GuestRecord, Login, MfaRecord, NewGuest, Origin, PartnerId, SentMail,
};
use super::super::client::Call;
use super::super::endpoints::CREATE_USER;
use super::super::mfa;
use super::super::representations::{Organization, User};
use super::super::{Inner, claims_gate, organizations};
use super::guest::guest_is;
use super::invitation::{Prior, SendError};
use super::write::enrolled;
use super::{Context, PreconditionFailed, stale};
use crate::directory::keycloak::users::guest;
use crate::directory::keycloak::users::guest::{UPDATE_PASSWORD, names};
use crate::directory::keycloak::users::reader::{UserReader, methods};
use crate::domain::Email;

/// The earlier mails to a user.
type EarlierMails = (Option<Timestamp>, Vec<SentMail>);

impl Inner {
    pub(super) async fn invite_guest(&self, id: &GuestId, new: &NewGuest, cx: Context) -> Result<Applied, Error> {
        let at = cx.at;
        let NewGuest { mark, partner, address, .. } = new;
        let owner = self.known_owner();
        if let Err(PreconditionFailed::Foreign(owner)) = check_owner(owner.as_ref(), mark) {
            return Err(Error::Foreign { owner });
        }
        let new = new.record(id, at);
        let organization = self.live_organization(partner).await?;
        // A guest is never an Owner.
        if self.accounts_now().await?.iter().any(|account| account.owners.contains(address)) {
            return Err(Error::Exists { what: address.to_string() });
        }
        let reader = self.users();
        let known = match self.cache.user_of(id).or_else(|| self.cache.user_at(address)) {
            Some(user) => reader.user(&user).await?,
            None => None,
        };
        let other = |user: &User| {
            super::super::representations::first(&user.attributes, guest::ADDRESS) != Some(address.as_str())
        };
        if known.as_ref().is_some_and(other) {
            // Another address has a record with this identifier.
            return Err(Error::Exists { what: address.to_string() });
        }
        let is_new = known.is_none() && mark.origin == Origin::Created;
        if is_new && let Some(user) = self.create(&new, username(&new), at).await? {
            return self.invited(&reader, &organization, user, &new, EarlierMails::default(), Prior::None).await;
        }
        let found = match known {
            Some(user) => Some(user),
            None => match reader.user_marked(address).await? {
                Ok(user) => Some(user),
                Err(unreadable) if unreadable.is_empty() => reader.only_user_at(address).await?,
                Err(_) => return Err(Error::Exists { what: address.to_string() }),
            },
        };
        let Some(user) = found else {
            if is_new && self.user_named(address).await?.is_some() {
                let user = self.create(&new, own_username(&new), at).await?.ok_or_else(|| username_taken(address))?;
                return self.invited(&reader, &organization, user, &new, EarlierMails::default(), Prior::None).await;
            }
            return Err(stale(address));
        };
        self.invite_existing_user(&reader, &organization, user, new, cx).await
    }

    async fn live_organization(&self, partner: &PartnerId) -> Result<Organization, Error> {
        let gone = || stale("the partner");
        let known = match self.organization(partner) {
            Some(known) => organizations::records(vec![known]).pop(),
            None => self.read_partner(partner).await?,
        };
        known.filter(|(record, _)| record.is_live()).map(|(_, organization)| organization).ok_or_else(gone)
    }

    /// Creates a user without a password; the guest sets one after following the invitation. `None`: the address or
    /// the username is in use.
    async fn create(&self, new: &GuestRecord, username: String, at: Timestamp) -> Result<Option<User>, Error> {
        let (first_name, last_name) = names(&new.display_name);
        let mut user = User {
            username,
            email: new.address.to_string(),
            first_name,
            last_name,
            enabled: true,
            required_actions: vec![UPDATE_PASSWORD.to_owned(), mfa::action(mfa::method(&new.allowed)).to_owned()],
            ..User::default()
        };
        guest::write(new, &mut user.attributes, at)?;
        let group = self.claims_group().await?;
        let body = json!({
            "username": user.username,
            "email": user.email,
            "firstName": user.first_name,
            "lastName": user.last_name,
            "enabled": true,
            "emailVerified": false,
            "requiredActions": user.required_actions,
            "attributes": user.attributes,
            "groups": group.map(|_| claims_gate::PATH).into_iter().collect::<Vec<_>>(),
        });
        match self.client.call(Call::post(CREATE_USER, &["users"]).json(body)).await {
            Ok(answer) => {
                user.id = answer.created.unwrap_or_default();
                self.claims.joined(&user.id);
                Ok(Some(user))
            }
            Err(failed) if failed.is(409) => Ok(None),
            Err(failed) => Err(failed.about(new.address.as_str()).into()),
        }
    }

    /// Invites an existing user: a deactivated guest, or a workspace user to adopt.
    async fn invite_existing_user(
        &self,
        reader: &UserReader<'_>,
        organization: &Organization,
        user: User,
        new: GuestRecord,
        cx: Context,
    ) -> Result<Applied, Error> {
        let what = new.address.to_string();
        let exists = || Error::Exists { what: what.clone() };
        let origin = new.mark.as_ref().map(|mark| mark.origin);
        let uid = new.mark.as_ref().map(|mark| mark.uid.as_str());
        let before = match self.guest_record(&user).await? {
            None if origin == Some(Origin::Adopted) => None,
            None => return Err(exists()),
            Some(held) if held.mark.is_none() => return Err(exists()),
            Some(held) if held.is_live() => {
                let same = held.mark.as_ref().map(|mark| mark.uid.as_str()) == uid;
                return if same { Ok(guest_is(held)) } else { Err(exists()) };
            }
            Some(held) => {
                let revived = held.id == new.id && held.mark.as_ref().map(|mark| mark.origin) == origin;
                if !revived || cx.basis.is_some_and(|basis| basis != held.revision) {
                    return Err(stale(&new.address));
                }
                Some(held)
            }
        };
        // An administrator disabled the login: guestlist does not enable it, and sends no mail.
        let disabled = before.as_ref().map_or(!user.enabled, |held| held.login == Login::DisabledByOther);
        if disabled {
            return Err(stale(&new.address));
        }
        if origin == Some(Origin::Adopted) && !user.email.eq_ignore_ascii_case(new.address.as_str()) {
            let message = format!("{} has another address in Keycloak now: {}", new.address, user.email);
            return Err(Error::Refused { message });
        }
        // The guest starts at Invited, whatever the earlier state: only the invitation makes the user a member.
        if !self.take_out(organization, &user).await? {
            return Err(exists());
        }
        let mfa = match &before {
            Some(held) => held.mfa.clone(),
            // The methods that an adopted user has enrolled count after the acceptance.
            None => MfaRecord::Known(methods(&reader.credentials(&user.id).await?).into_iter().collect()),
        };
        let earlier = before.as_ref().map(|held| held.recent_mails.as_slice()).unwrap_or_default();
        let recent_mails = new.mark.as_ref().map(|mark| SentMail::with(earlier, &mark.namespace, cx.at));
        let new = GuestRecord { mfa, recent_mails: recent_mails.unwrap_or_default(), ..new };
        let mut written = user.clone();
        guest::write(&new, &mut written.attributes, cx.at)?;
        if origin == Some(Origin::Created) {
            self.end_tokens(&user.id, user.not_before).await?;
            guest::set_ended(&mut written.attributes)?;
            mfa::require(&mut written, &new.allowed, enrolled(&new).as_ref());
            written.enabled = true;
            (written.first_name, written.last_name) = names(&new.display_name);
            if !user.email.eq_ignore_ascii_case(new.address.as_str()) {
                // The guest changed the address in Keycloak. The declared address was checked, so it is invited.
                written.email = new.address.to_string();
                written.email_verified = false;
            }
        }
        let put = match origin {
            Some(Origin::Created) => self.put_adapted(&user, &mut written, false).await,
            Some(Origin::Adopted) | None => self.put_user(&user, &written).await,
        };
        match put {
            Err(failed) if failed.is(409) => return Err(exists()),
            written => written.map_err(Error::from)?,
        }
        let mailed = before.map(|held| (held.last_mail_at, held.recent_mails)).unwrap_or_default();
        self.invited(reader, organization, written, &new, mailed, Prior::Possible(cx.epoch)).await
    }

    /// Sends the invitation for a record that was just written.
    async fn invited(
        &self,
        reader: &UserReader<'_>,
        organization: &Organization,
        user: User,
        new: &GuestRecord,
        (last_mail_at, recent_mails): EarlierMails,
        prior: Prior,
    ) -> Result<Applied, Error> {
        if let Err(failure) = self.send(organization, &user, prior).await {
            let fault = match failure {
                SendError::NotSent(fault) => fault,
                SendError::Unknown(fault) => return Err(fault),
            };
            // The mail was not sent. The record stays, and the mail is due.
            let undone = GuestRecord { invitation: None, last_mail_at, recent_mails, ..new.clone() };
            self.undo_mail(&user, &undone, new.admitted_at).await?;
            return Err(fault);
        }
        let invitation = match new.invitation {
            Some(ours) => Some(self.with_actual_expiry(organization, &user, ours).await?),
            None => None,
        };
        let record = reader.known(&user, false, invitation).ok_or_else(|| stale(&new.address))?;
        Ok(guest_is(record))
    }
}

/// A guest's username: the address, if Keycloak accepts it as a username.
fn username(new: &GuestRecord) -> String {
    let address = new.address.as_str();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '.' | '_' | '-' | '+');
    if address.chars().all(plain) { address.to_owned() } else { own_username(new) }
}

/// The error for an address that is another user's username. Keycloak refuses it if people can sign in with either.
fn username_taken(address: &Email) -> Error {
    let message = format!(
        "a user of the realm has {address} for a username, and another address: Keycloak refuses the address for any other \
         user. Change the username in Keycloak (Users), or switch Login with email off"
    );
    Error::Refused { message }
}

/// A username that no other user has.
fn own_username(new: &GuestRecord) -> String {
    format!("guest-{}", new.id.0)
}
