//! A partner as an organization, whose attributes contain the ownership mark. Its alias never changes and cannot
//! collide between namespaces. Its name is shown to guests in their invitation.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::directory::keycloak::representations::{Attributes, Organization, first};
use crate::directory::keycloak::users::guest::shortened;
use crate::directory::{Integrity, Origin, OwnershipMark, PartnerId, PartnerRecord};
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
const KEPT_ENABLED: &str = "left on";

/// The length of the UID's part in an alias.
const UID_SHOWN: usize = 8;

/// The partners of organizations. Organizations without data of guestlist are omitted. If several organizations have
/// readable marks with one identifier, none of them is the partner: the marks are ambiguous.
pub fn records(all: Vec<Organization>) -> Vec<(PartnerRecord, Organization)> {
    let mut found: Vec<_> = all.into_iter().filter_map(|one| Some((record(&one)?, one))).collect();
    let mut unreadable: BTreeMap<PartnerId, usize> = BTreeMap::new();
    for (record, _) in found.iter().filter(|(record, _)| record.is_readable()) {
        *unreadable.entry(record.id.clone()).or_default() += 1;
    }
    for (record, organization) in &mut found {
        if unreadable.get(&record.id).is_some_and(|unreadable| *unreadable > usize::from(record.is_readable())) {
            (record.id, record.integrity) = (by_organization(organization), Integrity::Unreadable);
        }
        if !record.is_readable() {
            tracing::warn!(
                organization = organization.alias,
                "OwnershipMarkUnreadable: the attributes guestlist.* of an organization were edited, or another \
                 organization has them too; its guests have no accounts. If it is a copy, remove the attributes. \
                 Otherwise restore them, or delete the organization: guestlist creates it again and invites its guests"
            );
        }
    }
    found
}

/// Reads a partner's record. `None`: the organization has no data of guestlist. The record is unreadable if a part of
/// the ownership mark is missing.
fn record(organization: &Organization) -> Option<PartnerRecord> {
    if !ALL.iter().any(|name| organization.attributes.contains_key(*name)) {
        return None;
    }
    let value = |name| first(&organization.attributes, name);
    let text = |name| value(name).unwrap_or_default().to_owned();
    let mark = OwnershipMark {
        installation: text(INSTALLATION),
        cluster: text(CLUSTER),
        namespace: text(NAMESPACE),
        name: text(NAME),
        uid: text(UID),
        origin: Origin::Created,
    };
    let id = value(ID).map(|id| PartnerId(id.to_owned()));
    let is_whole = [INSTALLATION, CLUSTER, NAMESPACE, NAME, UID].iter().all(|name| value(name).is_some());
    let admins = organization.attributes.get(HOST_ADMINS).map(Vec::as_slice).unwrap_or_default();
    let host_admins: Vec<Email> = admins.iter().filter_map(|text| Email::parse(text).ok()).collect();
    let deactivated_at: Option<Timestamp> = value(DEACTIVATED_AT).and_then(|text| text.parse().ok());
    let as_written = admins.len() == host_admins.len()
        && deactivated_at.is_some() == value(DEACTIVATED_AT).is_some()
        && !was_switched_by_other(organization);
    Some(PartnerRecord {
        integrity: match (&id, as_written) {
            (Some(_), true) if is_whole => Integrity::Intact,
            (Some(_), false) if is_whole => Integrity::Outdated,
            _ => Integrity::Unreadable,
        },
        id: id.unwrap_or_else(|| by_organization(organization)),
        mark,
        display_name: display_name(organization),
        host_admins,
        suspended: value(SUSPENDED).is_some(),
        deactivated_at,
    })
}

/// The identifier of a record without a readable ownership mark.
fn by_organization(organization: &Organization) -> PartnerId {
    PartnerId(format!("keycloak-{}", organization.id))
}

/// The query for organizations with a partner's identifier.
pub fn with_id(id: &PartnerId) -> String {
    format!("{ID}:\"{}\"", id.0)
}

fn display_name(organization: &Organization) -> String {
    let suffix = format!(" ({})", organization.alias);
    let name = organization.name.strip_suffix(&suffix).unwrap_or(&organization.name);
    format!("{name}{}", first(&organization.attributes, NAME_REST).unwrap_or_default())
}

/// Whether an administrator enabled or disabled the organization. A deactivated one is not corrected.
fn was_switched_by_other(organization: &Organization) -> bool {
    let off = first(&organization.attributes, SUSPENDED) == Some(OFF);
    !organization.attributes.contains_key(DEACTIVATED_AT) && organization.enabled == off
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
        put(SUSPENDED, vec![if enabled { KEPT_ENABLED } else { OFF }.to_owned()]);
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
pub fn wanted(
    record: &PartnerRecord,
    existing: Option<&Organization>,
    name_is_taken: bool,
    enabled: bool,
) -> Organization {
    let new = || Organization { alias: alias(&record.mark), ..Organization::default() };
    let mut wanted = existing.cloned().unwrap_or_else(new);
    write(record, &mut wanted.attributes, enabled);
    let suffix = if name_is_taken { format!(" ({})", wanted.alias) } else { String::new() };
    let shown = shortened(&record.display_name, LONGEST - suffix.len().min(LONGEST));
    if let Some(rest) = record.display_name.strip_prefix(&shown).filter(|rest| !rest.is_empty()) {
        wanted.attributes.insert(NAME_REST.to_owned(), vec![rest.to_owned()]);
    }
    Organization { name: format!("{shown}{suffix}"), enabled, ..wanted }
}

/// An organization without its ownership mark.
pub fn unmarked(organization: &Organization) -> Organization {
    let mut unmarked = organization.clone();
    unmarked.attributes.retain(|name, _| !ALL.contains(&name.as_str()));
    unmarked
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
            integrity: Integrity::Intact,
        };
        Organization { id: id.to_owned(), ..wanted(&record, None, false, true) }
    }

    fn readable(all: &[&Organization]) -> Vec<PartnerId> {
        let records = records(all.iter().map(|one| (*one).clone()).collect());
        records.into_iter().filter(|(record, _)| record.is_readable()).map(|(record, _)| record.id).collect()
    }

    #[test]
    fn record_with_any_change_by_hand_is_outdated() {
        let integrity = |change: &dyn Fn(&mut Organization)| {
            let mut organization = organization("1", "acme", "acme");
            change(&mut organization);
            record(&organization).map(|record| record.integrity)
        };
        let set = |name: &'static str, value: &'static str| {
            move |organization: &mut Organization| {
                organization.attributes.insert(name.to_owned(), vec![value.to_owned()]);
            }
        };
        assert_eq!(integrity(&|_| {}), Some(Integrity::Intact));
        assert_eq!(integrity(&set(HOST_ADMINS, "alice@host.example")), Some(Integrity::Intact));
        assert_eq!(integrity(&set(HOST_ADMINS, "no address")), Some(Integrity::Outdated));
        assert_eq!(integrity(&set(DEACTIVATED_AT, "yesterday")), Some(Integrity::Outdated));
        assert_eq!(integrity(&|organization| organization.enabled = false), Some(Integrity::Outdated));
        assert_eq!(integrity(&set(SUSPENDED, OFF)), Some(Integrity::Outdated), "it is suspended and enabled");
        for name in [INSTALLATION, CLUSTER, NAMESPACE, NAME, UID, ID] {
            let removed = integrity(&|organization| {
                organization.attributes.remove(name);
            });
            assert_eq!(removed, Some(Integrity::Unreadable), "{name}");
        }
    }

    #[test]
    fn identifier_of_two_organizations_is_of_neither() {
        let id = |name: &str| PartnerId(name.to_owned());
        let [acme, zeta] = ["acme", "zeta"].map(|name| organization("1", name, name));
        assert_eq!(readable(&[&acme, &zeta]), [id("acme"), id("zeta")]);
        let claims_zeta = organization("2", "acme", "zeta");
        assert_eq!(readable(&[&claims_zeta, &zeta]), []);
        let named: Vec<_> = records(vec![claims_zeta, zeta]).into_iter().map(|(record, _)| record.mark.name).collect();
        assert_eq!(named, ["acme", "zeta"], "both partners are named");
        let mut partial = Organization { alias: "copy".to_owned(), ..acme.clone() };
        assert_eq!(readable(&[&acme, &partial]), []);
        partial.attributes.remove(UID);
        assert_eq!(readable(&[&acme, &partial]), [id("acme")]);
    }

    #[test]
    fn unmarked_organization_keeps_all_but_the_mark() {
        let mut marked = organization("1", "acme", "acme");
        assert_eq!(marked.alias, "partners-acme-uacme");
        assert!(unmarked(&marked).attributes.is_empty());
        marked.attributes.insert("colour".to_owned(), vec!["blue".to_owned()]);
        let left = unmarked(&marked);
        let attributes = marked.attributes.into_iter().filter(|(name, _)| name == "colour").collect();
        assert_eq!(left, Organization { attributes, ..marked });
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
                integrity: Integrity::Intact,
            };
            let written = wanted(&record_of, None, taken, true);
            assert!(written.name.encode_utf16().count() <= LONGEST, "{}", written.name);
            assert_eq!(record(&written).as_ref(), Some(&record_of));
            // A shorter name leaves no rest.
            let short = PartnerRecord { display_name: "Acme".to_owned(), ..record_of };
            let written = wanted(&short, Some(&written), taken, true);
            assert_eq!(record(&written), Some(short));
        }
    }
}
