//! Users read as guests and as workspace users, in a listing page by page or one by one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::directory::keycloak::claims_gate::ClaimsGate;
use crate::directory::keycloak::client::{Call, Client, ClientError, optional};
use crate::directory::keycloak::endpoints::{
    CREDENTIALS, GET_MEMBER, GET_USER, LIST_INVITATIONS, LIST_MEMBERS, LIST_USERS,
};
use crate::directory::keycloak::mfa;
use crate::directory::keycloak::pages;
use crate::directory::keycloak::pages::PAGE;
use crate::directory::keycloak::representations::{Credential, Invitation, Member, Organization, User};
use crate::directory::keycloak::server_clock::ServerClock;
use crate::directory::keycloak::users::cache::UserCache;
use crate::directory::keycloak::users::guest;
use crate::directory::keycloak::users::guest::{Recorded, Seen};
use crate::directory::keycloak::users::recovery;
use crate::directory::keycloak::users::substitutes;
use crate::directory::{Error, GuestId, GuestRecord, InvitationRecord, PartnerId};
use crate::domain::{Email, MfaMethod};

/// The organizations' data that a listing of users has read. Each organization is read only when its first guest
/// needs it.
#[derive(Default)]
pub struct OrganizationData {
    members: BTreeMap<PartnerId, BTreeSet<String>>,
    invitations: BTreeMap<PartnerId, BTreeMap<String, InvitationRecord>>,
}

/// All partners' organizations with a readable ownership mark.
pub type PartnerOrganizations = BTreeMap<PartnerId, Organization>;

/// The result of a search: the user, or the users with an unreadable mark that the search found instead.
pub type UserSearch = Result<User, Vec<User>>;

/// Reads users.
pub struct UserReader<'a> {
    /// The client of the realm.
    pub client: &'a Client,
    /// The facts in memory.
    pub cache: &'a UserCache,
    /// The claims gate.
    pub claims: &'a ClaimsGate,
    /// Keycloak's clock.
    pub server_clock: &'a ServerClock,
    /// The partners' organizations.
    pub organizations: Arc<PartnerOrganizations>,
    /// The present time.
    pub now: Timestamp,
}

/// How far a time from Keycloak may be in the future, because the clocks' difference is known only to seconds.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// The number of members in one call; a member is a small record.
const MEMBERS: usize = 1_000;

impl UserReader<'_> {
    /// One page of all users. The listing is by offset. Each page overlaps the one before by at least one user, so
    /// that no user is missed while others go.
    pub async fn page(&self, first: usize, max: usize) -> Result<Vec<User>, ClientError> {
        let call = Call::get(LIST_USERS, &["users"]).with("briefRepresentation", false);
        self.client.call(call.listing(first, max)).await?.read()
    }

    /// One user, by Keycloak's identifier.
    pub async fn user(&self, id: &str) -> Result<Option<User>, ClientError> {
        match optional(self.client.call(Call::get(GET_USER, &["users", id])).await)? {
            Some(answer) => answer.read().map(Some),
            None => Ok(None),
        }
    }

    /// The user as guestlist reads it. An ownership mark counts on the user who has its address. A guest may have
    /// changed the address; the mark then counts if no other user has it. Otherwise it is ambiguous, and the user is
    /// returned without it. A user with the address of the mark needs no call.
    pub async fn read<'u>(&self, user: &'u User) -> Result<Cow<'u, User>, ClientError> {
        if let Some(address) = guest::address(user)
            && !user.email.eq_ignore_ascii_case(address.as_str())
            && self.users_with(guest::ADDRESS, address.as_str()).await?.iter().any(|other| other.id != user.id)
        {
            return Ok(Cow::Owned(recovery::ambiguous(user)));
        }
        Ok(Cow::Borrowed(user))
    }

    /// All users with an attribute that has this value among others.
    pub async fn users_with(&self, attribute: &str, value: &str) -> Result<Vec<User>, ClientError> {
        let page = async |first, max| {
            let call = Call::get(LIST_USERS, &["users"]).with("q", format!("{attribute}:\"{value}\""));
            self.client.call(call.with("briefRepresentation", false).page(first, max)).await?.read()
        };
        let mut found = pages::all(PAGE, |user: &User| &user.id, page).await?;
        // The server may interpret the query differently, and return all users.
        found.retain(|user| user.attributes.get(attribute).is_some_and(|values| values.iter().any(|v| v == value)));
        Ok(found)
    }

    /// The user with this present address.
    pub async fn user_at(&self, address: &Email) -> Result<Option<User>, ClientError> {
        Ok(self.users_at(address.as_str()).await?.into_iter().next())
    }

    /// The only user with this present address. With several users, a membership is ambiguous.
    pub async fn only_user_at(&self, address: &Email) -> Result<Option<User>, ClientError> {
        let mut found = self.users_at(address.as_str()).await?;
        if found.len() > 1 {
            return Err(ClientError::Fault(ambiguous_address(address.as_str())));
        }
        Ok(found.pop())
    }

    /// The users with this address: at most two, and two only if the realm allows duplicate addresses.
    pub async fn users_at(&self, address: &str) -> Result<Vec<User>, ClientError> {
        let call = Call::get(LIST_USERS, &["users"]).with("email", address).with("exact", true);
        let mut found: Vec<User> =
            self.client.call(call.with("briefRepresentation", false).page(0, 2)).await?.read()?;
        found.retain(|user| user.email.eq_ignore_ascii_case(address));
        Ok(found)
    }

    /// The user of a guest, by guestlist's identifier.
    pub async fn user_of(&self, guest: &GuestId) -> Result<UserSearch, ClientError> {
        let known = self.cache.user_of(guest).or_else(|| substitutes::user_id(guest).map(str::to_owned));
        self.found(known, guest::ID, &guest.0, |user| guest::id(user) == *guest).await
    }

    /// The guest with this address in the ownership mark. If an unreadable mark or its user has the address, that user.
    pub async fn user_marked(&self, address: &Email) -> Result<UserSearch, ClientError> {
        let is = |user: &User| guest::address(user).as_ref() == Some(address);
        let found = self.found(self.cache.user_at(address), guest::ADDRESS, address.as_str(), is).await?;
        match found {
            Err(unreadable) if unreadable.is_empty() => {
                let Some(user) = self.user_at(address).await? else { return Ok(Err(unreadable)) };
                let is_unreadable = recovery::is_unreadable(self.read(&user).await?.as_ref());
                Ok(Err(is_unreadable.then_some(user).into_iter().collect()))
            }
            found => Ok(found),
        }
    }

    /// The user with data of guestlist that passes a test: the known one, or one with this value of an attribute.
    async fn found(
        &self,
        known: Option<String>,
        attribute: &str,
        value: &str,
        is: impl Fn(&User) -> bool,
    ) -> Result<UserSearch, ClientError> {
        if let Some(id) = known
            && let Some(user) = self.user(&id).await?
            && is(self.read(&user).await?.as_ref())
        {
            return Ok(Ok(user));
        }
        let mut unreadable = self.users_with(attribute, value).await?;
        for (place, user) in unreadable.iter().enumerate() {
            if is(self.read(user).await?.as_ref()) {
                return Ok(Ok(unreadable.swap_remove(place)));
            }
        }
        Ok(Err(unreadable))
    }

    /// A guest's record from the user, with all facts read from Keycloak.
    pub async fn guest_record(&self, user: &User) -> Result<Option<GuestRecord>, ClientError> {
        self.guest(self.read(user).await?.as_ref(), None).await
    }

    /// A guest's record from a user as guestlist reads it. With a listing, the calls are as few as possible.
    pub async fn guest(
        &self,
        user: &User,
        mut listing: Option<&mut OrganizationData>,
    ) -> Result<Option<GuestRecord>, ClientError> {
        if !guest::is_marked(user) {
            return Ok(None);
        }
        let recorded = guest::recorded(user);
        let mut seen = Seen { member: Some(false), invitation: Some(None), ..Seen::default() };
        let home = recorded.partner.as_ref().and_then(|id| Some((id, self.organizations.get(id)?)));
        if let Some((partner, organization)) = home.filter(|_| recorded.live) {
            let organization = organization.id.as_str();
            let member = match &mut listing {
                Some(OrganizationData { members, .. }) => {
                    if !members.contains_key(partner) {
                        members.insert(partner.clone(), self.members(organization).await?);
                    }
                    members.get(partner).is_some_and(|members| members.contains(&user.id))
                }
                None => self.is_member(organization, user).await?,
            };
            seen.member = Some(member);
            // Keycloak knows whether an invitation is open. The recorded one may be outdated, if the organization was
            // missing at the last write.
            if !member {
                let invitation = match &mut listing {
                    Some(OrganizationData { invitations, .. }) => {
                        if !invitations.contains_key(partner) {
                            invitations.insert(partner.clone(), self.invitations(organization).await?);
                        }
                        invitations.get(partner).and_then(|open| open.get(&user.email.to_ascii_lowercase())).copied()
                    }
                    None => self.invitation(organization, &user.email).await?,
                };
                seen.invitation = Some(invitation);
                // The guest may have followed the invitation in between. Otherwise another one would be sent.
                if invitation.is_none() {
                    seen.member = Some(self.is_member(organization, user).await?);
                }
            }
        }
        self.enrolled(user, &recorded, listing.is_none(), &mut seen).await?;
        seen.stopped_half_way(user, &recorded);
        Ok(self.remember(user, seen))
    }

    /// A guest's record from a user who was just written, with known membership and invitation.
    pub fn known(&self, user: &User, member: bool, invitation: Option<InvitationRecord>) -> Option<GuestRecord> {
        let recorded = guest::recorded(user);
        let enrolled = self.remembered(user, &recorded);
        let seen =
            Seen { member: Some(member), invitation: Some(invitation), enrolled: Some(enrolled), ..Seen::default() };
        self.remember(user, seen)
    }

    fn remember(&self, user: &User, mut seen: Seen) -> Option<GuestRecord> {
        seen.is_blocked = self.claims.is_blocked(&user.id);
        self.cache.remember(user, seen, self.now)
    }

    async fn is_member(&self, organization: &str, user: &User) -> Result<bool, ClientError> {
        let call = Call::get(GET_MEMBER, &["organizations", organization, "members", &user.id]);
        Ok(optional(self.client.call(call).await)?.is_some())
    }

    /// The enrolled methods in memory, as far as the user's own flag agrees.
    fn remembered(&self, user: &User, recorded: &Recorded) -> BTreeMap<MfaMethod, Timestamp> {
        let mut known = recorded.mfa.clone();
        known.extend(self.cache.enrolled(&user.id));
        known.retain(|method, _| *method != MfaMethod::TOTP || user.totp);
        known
    }

    /// Reads the enrolled methods with their times. A page shows whether there is a one-time password, but no
    /// passkeys and no times. Those are read only if they are unknown, or if a passkey can matter.
    async fn enrolled(
        &self,
        user: &User,
        recorded: &Recorded,
        closely: bool,
        seen: &mut Seen,
    ) -> Result<(), ClientError> {
        let known = self.remembered(user, recorded);
        let member = seen.member == Some(true);
        let joined = member && guest::has_chosen(user, recorded.joined_at, seen);
        let untimed = user.totp && !known.contains_key(&MfaMethod::TOTP);
        let wants_key = !mfa::allowed(&user.attributes).contains(&MfaMethod::TOTP);
        let passkey = known.contains_key(&MfaMethod::WebAuthn) || (joined && (!user.totp || wants_key));
        let undated = joined && recorded.joined_at.is_none() && self.cache.joined_at(&user.id).is_none();
        // A guest who is asked for a password may have one already, and then counts as joined.
        let asked = member && !joined;
        if !(untimed || passkey || undated || asked || (closely && joined)) {
            seen.enrolled = Some(known);
            return Ok(());
        }
        match self.credentials(&user.id).await {
            Ok(credentials) => {
                let password = credentials.iter().find(|held| held.sort == "password");
                seen.password = password.is_some();
                let chosen = password.map(Credential::created).filter(|at| !self.is_in_future(*at));
                seen.joined_at = chosen.filter(|_| undated || asked);
                seen.enrolled = Some(self.not_later_than_now(methods(&credentials), &known));
                Ok(())
            }
            // Without the permission, MFA is unknown.
            Err(ClientError::Fault(Error::Refused { .. })) => {
                seen.mfa_hidden = true;
                Ok(())
            }
            Err(failed) => Err(failed),
        }
    }

    /// Replaces times in the future, which come from a clock that was ahead at the enrolment: by the known time, or
    /// by the present one.
    fn not_later_than_now(
        &self,
        mut enrolled: BTreeMap<MfaMethod, Timestamp>,
        known: &BTreeMap<MfaMethod, Timestamp>,
    ) -> BTreeMap<MfaMethod, Timestamp> {
        for (method, since) in enrolled.iter_mut().filter(|(_, since)| self.is_in_future(**since)) {
            *since = known.get(method).copied().filter(|before| !self.is_in_future(*before)).unwrap_or(self.now);
        }
        enrolled
    }

    /// Whether a time from Keycloak is in the future by more than the tolerance of the clocks.
    pub fn is_in_future(&self, at: Timestamp) -> bool {
        at > self.now.checked_add(CLOCK_TOLERANCE).unwrap_or(Timestamp::MAX)
    }

    /// A user's credentials, with times in guestlist's clock.
    pub async fn credentials(&self, id: &str) -> Result<Vec<Credential>, ClientError> {
        let call = Call::get(CREDENTIALS, &["users", id, "credentials"]);
        let mut credentials: Vec<Credential> = self.client.call(call).await?.read()?;
        let difference = self.server_clock.difference(self.client);
        for credential in &mut credentials {
            credential.created_date = credential.created_date.map(|at| difference.milliseconds(at));
        }
        Ok(credentials)
    }

    /// All members of an organization, by Keycloak's identifiers.
    pub async fn members(&self, organization: &str) -> Result<BTreeSet<String>, ClientError> {
        let page = async |first, max| {
            let call = Call::get(LIST_MEMBERS, &["organizations", organization, "members"]);
            self.client.call(call.with("briefRepresentation", true).listing(first, max)).await?.read()
        };
        let members = pages::all(MEMBERS, |member: &Member| &member.id, page).await?;
        Ok(members.into_iter().map(|member| member.id).collect())
    }

    /// The open invitation of an address.
    pub async fn invitation(&self, organization: &str, email: &str) -> Result<Option<InvitationRecord>, ClientError> {
        Ok(self.rows(organization, Some(email)).await?.iter().find_map(times))
    }

    /// The rows of an organization's invitations, with times in guestlist's clock.
    pub async fn rows(&self, organization: &str, email: Option<&str>) -> Result<Vec<Invitation>, ClientError> {
        let mut call = Call::get(LIST_INVITATIONS, &["organizations", organization, "invitations"]);
        if let Some(email) = email {
            call = call.with("email", email);
        }
        let mut rows: Vec<Invitation> = self.client.call(call).await?.read()?;
        let difference = self.server_clock.difference(self.client);
        for row in &mut rows {
            row.sent_date = difference.seconds(row.sent_date);
            row.expires_at = difference.seconds(row.expires_at);
        }
        Ok(rows)
    }

    /// All open invitations, in one response. Pages by offset could miss one while another goes, and its guest would
    /// be invited again.
    async fn invitations(&self, organization: &str) -> Result<BTreeMap<String, InvitationRecord>, ClientError> {
        let rows = self.rows(organization, None).await?;
        Ok(rows.iter().filter_map(|row| Some((row.email.to_ascii_lowercase(), times(row)?))).collect())
    }
}

/// The error for an address of several users.
pub fn ambiguous_address(address: &str) -> Error {
    Error::Refused {
        message: format!(
            "several users of the realm have the address {address}: guestlist cannot tell which one is the guest, and \
             Keycloak sends no mail to any of them. Remove the address from all but one"
        ),
    }
}

/// The times at which an invitation was sent and ends.
fn times(row: &Invitation) -> Option<InvitationRecord> {
    let sent_at = Timestamp::from_second(row.sent_date).ok()?;
    Some(InvitationRecord { sent_at, expires_at: Timestamp::from_second(row.expires_at).ok()? })
}

/// The methods among credentials, each since its earliest credential.
pub fn methods(credentials: &[Credential]) -> BTreeMap<MfaMethod, Timestamp> {
    let mut found: BTreeMap<MfaMethod, Timestamp> = BTreeMap::new();
    for credential in credentials {
        if let Some(method) = method(credential) {
            let at = credential.created();
            found.entry(method).and_modify(|since| *since = at.min(*since)).or_insert(at);
        }
    }
    found
}

/// The method of a credential.
pub fn method(credential: &Credential) -> Option<MfaMethod> {
    match credential.sort.as_str() {
        "otp" => Some(MfaMethod::TOTP),
        "webauthn" | "webauthn-passwordless" => Some(MfaMethod::WebAuthn),
        _ => None,
    }
}
