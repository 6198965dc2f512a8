//! A partner as an organization, whose attributes contain the ownership mark. Its alias never changes and cannot
//! collide between namespaces. Its name is shown to guests in their invitation.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::directory::keycloak::representations::{Attributes, Organization, first};
use crate::directory::keycloak::users::guest::shortened;
use crate::directory::{Origin, Owner, OwnershipMark, PartnerId, PartnerRecord};
use crate::domain::Email;

const ID: &str = "guestlist.id";
const INSTALLATION: &str = "guestlist.installation";
const CLUSTER: &str = "guestlist.cluster";
const NAMESPACE: &str = "guestlist.namespace";
const NAME: &str = "guestlist.name";
const UID: &str = "guestlist.uid";
const HOST_ADMINS: &str = "guestlist.host-admins";
const SUSPENDED: &str = "guestlist.suspended";
const DEACTIVATED_AT: &str = "guestlist.deactivated-at";
/// The rest of a name that is too long for the organization's name.
const NAME_REST: &str = "guestlist.name-rest";
const ALL: [&str; 10] =
    [ID, INSTALLATION, CLUSTER, NAMESPACE, NAME, UID, HOST_ADMINS, SUSPENDED, DEACTIVATED_AT, NAME_REST];
/// The maximum length of an organization's name.
const LONGEST: usize = 255;

/// The organization is disabled.
const OFF: &str = "off";
/// The organization stays enabled because of members that guestlist did not create.
const LEFT_ON: &str = "left on";

/// The length of the UID's part in an alias.
const UID_SHOWN: usize = 8;

/// Facts about an organization besides its own attributes.
#[derive(Clone, Copy, Default)]
pub struct PartnerContext<'a> {
    /// The owner of the realm.
    pub owner: Option<&'a Owner>,
    /// The organization's partner and ownership mark at the last read.
    pub was: Option<(&'a PartnerId, &'a OwnershipMark)>,
    /// Keycloak's identifier of the organization that has the alias of the partner named here.
    pub whose: Option<&'a str>,
}

/// Reads a partner's record. `None`: no data identifies the partner. The organization may name a partner while
/// another organization has that partner's alias, which never changes. Its identifier was edited then, and its own
/// alias and ownership mark decide.
pub fn record(organization: &Organization, known: PartnerContext<'_>) -> Option<PartnerRecord> {
    let own = own_id(organization);
    let anothers = own.is_some() && known.whose.is_some_and(|other| other != organization.id);
    let was = || known.was.map(|(id, _)| id.clone());
    let id = said_id(organization).filter(|_| !anothers).or_else(was).or(own)?;
    Some(read(organization, &id).unwrap_or_else(|| damaged(organization, id, known)))
}

/// The partner identifier in the organization's attributes.
pub fn said_id(organization: &Organization) -> Option<PartnerId> {
    first(&organization.attributes, ID).map(|id| PartnerId(id.to_owned()))
}

/// The partner identifier from the organization's alias and ownership mark.
pub fn own_id(organization: &Organization) -> Option<PartnerId> {
    own_mark(organization).map(|mark| PartnerId::of(&mark.uid))
}

/// The ownership mark, if the alias matches it. No other organization can have that alias.
fn own_mark(organization: &Organization) -> Option<OwnershipMark> {
    mark(&organization.attributes).filter(|mark| alias(mark) == organization.alias)
}

fn mark(attributes: &Attributes) -> Option<OwnershipMark> {
    let text = |name| first(attributes, name).map(str::to_owned);
    Some(OwnershipMark {
        installation: text(INSTALLATION)?,
        cluster: text(CLUSTER)?,
        namespace: text(NAMESPACE)?,
        name: text(NAME)?,
        uid: text(UID)?,
        origin: Origin::Created,
    })
}

fn read(organization: &Organization, id: &PartnerId) -> Option<PartnerRecord> {
    let value = |name| first(&organization.attributes, name);
    let admins = organization.attributes.get(HOST_ADMINS).map(Vec::as_slice).unwrap_or_default();
    Some(PartnerRecord {
        id: value(ID).filter(|said| *said == id.0).map(|_| id.clone())?,
        mark: mark(&organization.attributes)?,
        display_name: display_name(organization),
        host_admins: admins.iter().map(|text| Email::parse(text)).collect::<Result<_, _>>().ok()?,
        suspended: value(SUSPENDED).is_some(),
        deactivated_at: match value(DEACTIVATED_AT) {
            Some(text) => Some(text.parse::<Timestamp>().ok()?),
            None => None,
        },
    })
}

/// A partner with an incomplete ownership mark, edited by hand or partly removed. Its members are still its guests.
/// The record contains the readable parts and no Host Admins, so it differs from the spec until it is written again.
fn damaged(organization: &Organization, id: PartnerId, known: PartnerContext<'_>) -> PartnerRecord {
    tracing::warn!(
        organization = organization.alias,
        "the ownership mark of an organization cannot be read: it is written again"
    );
    let value = |name| first(&organization.attributes, name);
    let was = |part: fn(&OwnershipMark) -> &str| known.was.map(|(_, mark)| part(mark)).unwrap_or_default();
    // Without an owner in its mark, an organization belongs to the owner of the realm.
    let owned = |part: fn(&Owner) -> &str| known.owner.map(part).unwrap_or_default();
    PartnerRecord {
        id,
        mark: OwnershipMark {
            installation: value(INSTALLATION).unwrap_or(owned(|owner| &owner.installation)).to_owned(),
            cluster: value(CLUSTER).unwrap_or(owned(|owner| &owner.cluster)).to_owned(),
            namespace: value(NAMESPACE).unwrap_or(was(|mark| &mark.namespace)).to_owned(),
            name: value(NAME).unwrap_or(was(|mark| &mark.name)).to_owned(),
            uid: value(UID).unwrap_or(was(|mark| &mark.uid)).to_owned(),
            origin: Origin::Created,
        },
        display_name: display_name(organization),
        host_admins: Vec::new(),
        suspended: value(SUSPENDED).is_some(),
        deactivated_at: value(DEACTIVATED_AT).and_then(|text| text.parse().ok()),
    }
}

/// The order of organizations with the same partner identifier, of which all but one are copies. The first is the one
/// with guestlist's alias, otherwise the one that was the partner's until now.
pub fn is_before(one: &Organization, other: &Organization, until_now: Option<&str>) -> bool {
    let place =
        |organization: &Organization| (own_mark(organization).is_none(), until_now != Some(organization.id.as_str()));
    (place(one), &one.id) < (place(other), &other.id)
}

/// The query for organizations with the UID of an ownership mark.
pub fn with_uid(mark: &OwnershipMark) -> String {
    format!("{UID}:\"{}\"", mark.uid)
}

/// Whether an organization without a readable partner is this one's: its alias or UID matches, and no readable part
/// of its mark contradicts.
pub fn is_left_of(organization: &Organization, record: &PartnerRecord) -> bool {
    let value = |name| first(&organization.attributes, name);
    let is = |name, ours: &str| value(name).is_none_or(|said| said == ours);
    let named = organization.alias == alias(&record.mark) || value(UID) == Some(record.mark.uid.as_str());
    let its_own = own_mark(organization).is_some_and(|mark| mark == record.mark);
    named
        && (its_own || is(ID, &record.id.0))
        && is(INSTALLATION, &record.mark.installation)
        && is(CLUSTER, &record.mark.cluster)
        && is(UID, &record.mark.uid)
}

/// A suffix of the name of an organization that an administrator enabled or disabled.
const SWITCHED: &str = " (switched by hand)";

/// The display name. If an administrator enabled or disabled the organization, a suffix makes it differ from the spec
/// until it is written again.
fn display_name(organization: &Organization) -> String {
    let suffix = format!(" ({})", organization.alias);
    let name = organization.name.strip_suffix(&suffix).unwrap_or(&organization.name);
    let name = format!("{name}{}", first(&organization.attributes, NAME_REST).unwrap_or_default());
    let right = match first(&organization.attributes, SUSPENDED) {
        // A deactivated organization is not corrected.
        _ if organization.attributes.contains_key(DEACTIVATED_AT) => true,
        Some(OFF) => !organization.enabled,
        Some(_) | None => organization.enabled,
    };
    if right { name } else { format!("{name}{SWITCHED}") }
}

/// A name without the suffix.
pub fn plain(display_name: &str) -> &str {
    display_name.strip_suffix(SWITCHED).unwrap_or(display_name)
}

/// Writes a record into an organization's attributes. Attributes of others stay.
fn write(record: &PartnerRecord, attributes: &mut Attributes, enabled: bool) {
    for name in ALL {
        attributes.remove(name);
    }
    let mut put = |name: &str, values: Vec<String>| attributes.insert(name.to_owned(), values);
    put(ID, vec![record.id.0.clone()]);
    put(INSTALLATION, vec![record.mark.installation.clone()]);
    put(CLUSTER, vec![record.mark.cluster.clone()]);
    put(NAMESPACE, vec![record.mark.namespace.clone()]);
    put(NAME, vec![record.mark.name.clone()]);
    put(UID, vec![record.mark.uid.clone()]);
    put(HOST_ADMINS, record.host_admins.iter().map(ToString::to_string).collect());
    if record.suspended {
        put(SUSPENDED, vec![if enabled { LEFT_ON } else { OFF }.to_owned()]);
    }
    if let Some(at) = record.deactivated_at {
        put(DEACTIVATED_AT, vec![format!("{at:.9}")]);
    }
}

/// The alias of a new organization.
pub fn alias(mark: &OwnershipMark) -> String {
    let shown: String = mark.uid.chars().filter(char::is_ascii_alphanumeric).take(UID_SHOWN).collect();
    format!("{}-{}-{shown}", mark.namespace, mark.name)
}

/// The wanted organization. If another one has the name, the alias distinguishes them.
pub fn body(record: &PartnerRecord, existing: Option<&Organization>, name_is_taken: bool, enabled: bool) -> Value {
    let alias = existing.map_or_else(|| alias(&record.mark), |organization| organization.alias.clone());
    let mut attributes = existing.map(|organization| organization.attributes.clone()).unwrap_or_default();
    write(record, &mut attributes, enabled);
    let suffix = if name_is_taken { format!(" ({alias})") } else { String::new() };
    let shown = shortened(&record.display_name, LONGEST - suffix.len().min(LONGEST));
    if let Some(rest) = record.display_name.strip_prefix(&shown).filter(|rest| !rest.is_empty()) {
        attributes.insert(NAME_REST.to_owned(), vec![rest.to_owned()]);
    }
    let name = format!("{shown}{suffix}");
    json!({
        "name": name,
        "alias": alias,
        "enabled": enabled,
        "description": existing.and_then(|organization| organization.description.as_ref()),
        "redirectUrl": existing.and_then(|organization| organization.redirect_url.as_ref()),
        "domains": existing.map(|organization| organization.domains.as_slice()).unwrap_or_default(),
        "attributes": attributes,
    })
}

/// An organization without its ownership mark.
pub fn unmarked(organization: &Organization) -> Value {
    let mut attributes = organization.attributes.clone();
    attributes.retain(|name, _| !ALL.contains(&name.as_str()));
    as_it_is(organization, organization.enabled, &attributes)
}

/// An organization with the same content, disabled.
pub fn switched_off(organization: &Organization) -> Value {
    as_it_is(organization, false, &organization.attributes)
}

fn as_it_is(organization: &Organization, enabled: bool, attributes: &Attributes) -> Value {
    json!({
        "name": organization.name,
        "alias": organization.alias,
        "enabled": enabled,
        "description": organization.description,
        "redirectUrl": organization.redirect_url,
        "domains": organization.domains,
        "attributes": attributes,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn organization(id: &str, name: &str, said: &str) -> Organization {
        let mark = OwnershipMark {
            installation: "prod".to_owned(),
            cluster: "c".to_owned(),
            namespace: "partners".to_owned(),
            name: name.to_owned(),
            uid: format!("u-{name}"),
            origin: Origin::Created,
        };
        let record = PartnerRecord {
            id: PartnerId(said.to_owned()),
            mark,
            display_name: name.to_owned(),
            host_admins: Vec::new(),
            suspended: false,
            deactivated_at: None,
        };
        let made: Organization = serde_json::from_value(body(&record, None, false, true)).unwrap();
        Organization { id: id.to_owned(), ..made }
    }

    #[test]
    fn organization_identifier_holds_unless_owned_by_another() {
        let id = |name: &str| PartnerId::of(&format!("u-{name}"));
        let kept = organization("1", "acme", "whatever");
        assert_eq!(record(&kept, PartnerContext::default()).unwrap().id.0, "whatever");
        let (acme, zeta) = (organization("1", "acme", &id("zeta").0), organization("2", "zeta", &id("zeta").0));
        let known = PartnerContext { whose: Some(&zeta.id), ..PartnerContext::default() };
        assert_eq!([&acme, &zeta].map(|one| record(one, known).unwrap().id), [id("acme"), id("zeta")]);
    }

    #[test]
    fn organization_name_over_length_limit_is_cut_and_read_in_full() {
        let mark = OwnershipMark {
            installation: "prod".to_owned(),
            cluster: "c".to_owned(),
            namespace: "partners".to_owned(),
            name: "acme".to_owned(),
            uid: "u-1".to_owned(),
            origin: Origin::Created,
        };
        let long = "\u{1F600} Acme ".repeat(36);
        for (display_name, taken) in [("Acme", false), ("Acme", true), (long.trim(), false), (long.trim(), true)] {
            let (mark, display_name) = (mark.clone(), display_name.to_owned());
            let partner = PartnerId("p".to_owned());
            let record_of = PartnerRecord {
                id: partner,
                mark,
                display_name,
                host_admins: Vec::new(),
                suspended: false,
                deactivated_at: None,
            };
            let written: Organization = serde_json::from_value(body(&record_of, None, taken, true)).unwrap();
            assert!(written.name.encode_utf16().count() <= LONGEST, "{}", written.name);
            assert_eq!(record(&written, PartnerContext::default()).as_ref(), Some(&record_of));
            // A shorter name leaves no rest.
            let short = PartnerRecord { display_name: "Acme".to_owned(), ..record_of };
            let written: Organization = serde_json::from_value(body(&short, Some(&written), taken, true)).unwrap();
            assert_eq!(record(&written, PartnerContext::default()), Some(short));
        }
    }
}
