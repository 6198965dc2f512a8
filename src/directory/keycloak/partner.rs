//! A partner as Keycloak keeps it: an organization, whose attributes hold our mark. Its alias never changes and cannot
//! collide between namespaces; its name is what a guest reads in his invitation.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::{Mark, Origin, PartnerId, PartnerRecord};
use super::guest::shortened;
use super::wire::{Attributes, Organization, first};
use crate::rules::Email;

const ID: &str = "guestlist.id";
const INSTALLATION: &str = "guestlist.installation";
const CLUSTER: &str = "guestlist.cluster";
const NAMESPACE: &str = "guestlist.namespace";
const NAME: &str = "guestlist.name";
const UID: &str = "guestlist.uid";
const HOST_ADMINS: &str = "guestlist.host-admins";
const DEACTIVATED_AT: &str = "guestlist.deactivated-at";
/// What of the name did not fit into the organization's.
const NAME_REST: &str = "guestlist.name-rest";
const ALL: [&str; 9] = [ID, INSTALLATION, CLUSTER, NAMESPACE, NAME, UID, HOST_ADMINS, DEACTIVATED_AT, NAME_REST];
/// How long an organization's name may be.
const LONGEST: usize = 255;

/// How much of a UID an alias shows.
const UID_SHOWN: usize = 8;

/// Reads a partner's record. `None`: the organization has no mark of ours that reads.
pub fn record(organization: &Organization) -> Option<PartnerRecord> {
    let value = |name| first(&organization.attributes, name);
    let text = |name| value(name).map(str::to_owned);
    let admins = organization.attributes.get(HOST_ADMINS).map(Vec::as_slice).unwrap_or_default();
    Some(PartnerRecord {
        id: PartnerId(text(ID)?),
        mark: Mark {
            installation: text(INSTALLATION)?,
            cluster: text(CLUSTER)?,
            namespace: text(NAMESPACE)?,
            name: text(NAME)?,
            uid: text(UID)?,
            origin: Origin::Made,
        },
        display_name: display_name(organization, value(DEACTIVATED_AT).is_some()),
        host_admins: admins.iter().map(|text| Email::parse(text)).collect::<Result<_, _>>().ok()?,
        deactivated_at: match value(DEACTIVATED_AT) {
            Some(text) => Some(text.parse::<Timestamp>().ok()?),
            None => None,
        },
    })
}

/// The name that people see. Of an organization that somebody switched off it says so: it differs from what it should be
/// until it is written again.
fn display_name(organization: &Organization, deactivated: bool) -> String {
    let suffix = format!(" ({})", organization.alias);
    let name = organization.name.strip_suffix(&suffix).unwrap_or(&organization.name);
    let name = format!("{name}{}", first(&organization.attributes, NAME_REST).unwrap_or_default());
    if organization.enabled || deactivated { name } else { format!("{name} (switched off)") }
}

/// Writes a record into an organization's attributes; those of others stay as they are.
fn write(record: &PartnerRecord, attributes: &mut Attributes) {
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
    if let Some(at) = record.deactivated_at {
        put(DEACTIVATED_AT, vec![format!("{at:.9}")]);
    }
}

/// The alias of a new organization.
pub fn alias(mark: &Mark) -> String {
    let shown: String = mark.uid.chars().filter(char::is_ascii_alphanumeric).take(UID_SHOWN).collect();
    format!("{}-{}-{shown}", mark.namespace, mark.name)
}

/// The organization as it shall be. Where the name is another organization's, the alias tells them apart.
pub fn body(record: &PartnerRecord, existing: Option<&Organization>, name_is_taken: bool, enabled: bool) -> Value {
    let alias = existing.map_or_else(|| alias(&record.mark), |organization| organization.alias.clone());
    let mut attributes = existing.map(|organization| organization.attributes.clone()).unwrap_or_default();
    write(record, &mut attributes);
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

/// An organization as it is without our mark.
pub fn unmarked(organization: &Organization) -> Value {
    let mut attributes = organization.attributes.clone();
    attributes.retain(|name, _| !ALL.contains(&name.as_str()));
    json!({
        "name": organization.name,
        "alias": organization.alias,
        "enabled": organization.enabled,
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

    #[test]
    fn a_name_that_is_too_long_for_an_organization_is_cut_there_and_reads_as_it_was() {
        let mark = Mark {
            installation: "prod".to_owned(),
            cluster: "c".to_owned(),
            namespace: "partners".to_owned(),
            name: "acme".to_owned(),
            uid: "u-1".to_owned(),
            origin: Origin::Made,
        };
        let long = "\u{1F600} Acme ".repeat(36);
        for (display_name, taken) in [("Acme", false), ("Acme", true), (long.trim(), false), (long.trim(), true)] {
            let (mark, display_name) = (mark.clone(), display_name.to_owned());
            let partner = PartnerId("p".to_owned());
            let record_of =
                PartnerRecord { id: partner, mark, display_name, host_admins: Vec::new(), deactivated_at: None };
            let written: Organization = serde_json::from_value(body(&record_of, None, taken, true)).unwrap();
            assert!(written.name.encode_utf16().count() <= LONGEST, "{}", written.name);
            assert_eq!(record(&written).as_ref(), Some(&record_of));
            // And a shorter one leaves nothing of it behind.
            let short = PartnerRecord { display_name: "Acme".to_owned(), ..record_of };
            let written: Organization = serde_json::from_value(body(&short, Some(&written), taken, true)).unwrap();
            assert_eq!(record(&written), Some(short));
        }
    }
}
