//! The namespaces that the wildcards of `tenants[].namespace` cover. `*` matches any characters, so `oil-*` covers
//! `oil-gas-prod`, the namespace of a tenant `oil-gas`. Entries add up: such a namespace may name the Host Admins of
//! both.

use std::collections::BTreeSet;

use crate::workspace_policy::{Pattern, Tenant, WorkspacePolicy};

/// Maximum number of names in a warning.
const SHOWN: usize = 3;

impl WorkspacePolicy {
    /// The wildcards that cover more than they seem to. They cover a longer entry, or one of these namespaces with
    /// another hyphen after the prefix. A separate entry with the same Host Admins shows that this is intended.
    pub fn wide_patterns<'a>(&self, namespaces: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let namespaces: BTreeSet<&str> = namespaces.into_iter().collect();
        let warnings = self.tenants.iter().enumerate().filter_map(|(index, tenant)| {
            let Pattern::StartingWith(stem) = &tenant.namespace else { return None };
            if stem.is_empty() {
                return None;
            }
            let mut reached: BTreeSet<String> = BTreeSet::new();
            for (other, _) in self.tenants.iter().enumerate().filter(|(other, _)| *other != index) {
                reached.extend(self.entry_reached(index, stem, other));
            }
            let known = namespaces.iter().filter(|name| reaches_far(stem, name) && !self.is_meant(index, name));
            reached.extend(known.map(|name| (*name).to_owned()));
            (!reached.is_empty()).then(|| warning(index, stem, &reached))
        });
        warnings.collect()
    }

    /// Another entry that a wildcard covers, in its written form.
    fn entry_reached(&self, index: usize, stem: &str, other: usize) -> Option<String> {
        let (name, far, written) = match &self.tenants.get(other)?.namespace {
            Pattern::Exactly(name) => (name, reaches_far(stem, name), name.clone()),
            Pattern::StartingWith(longer) => {
                (longer, longer.len() > stem.len() && longer.starts_with(stem), format!("{longer}*"))
            }
        };
        (far && !self.is_meant(index, name)).then_some(written)
    }

    /// Whether a longer entry for this name allows everything that the wildcard allows.
    fn is_meant(&self, index: usize, name: &str) -> bool {
        let Some(wide) = self.tenants.get(index) else { return false };
        self.tenants.iter().enumerate().any(|(other, tenant)| {
            other != index
                && tenant.is_longer_than(wide)
                && tenant.namespace.matches(name)
                && tenant.allows_all_of(wide)
        })
    }
}

impl Tenant {
    fn is_longer_than(&self, other: &Self) -> bool {
        match (&self.namespace, &other.namespace) {
            (Pattern::Exactly(_), Pattern::StartingWith(_)) => true,
            (Pattern::StartingWith(longer), Pattern::StartingWith(stem)) => longer.len() > stem.len(),
            (_, Pattern::Exactly(_)) => false,
        }
    }

    fn allows_all_of(&self, other: &Self) -> bool {
        other.host_admins.iter().all(|pattern| self.host_admins.contains(pattern)) && (self.adoption || !other.adoption)
    }
}

/// Whether a name continues after a prefix with more than one part: `oil-*` and `oil-gas-prod`, or `oil*` and
/// `oilfield`.
fn reaches_far(stem: &str, name: &str) -> bool {
    let Some(rest) = name.strip_prefix(stem) else { return false };
    if stem.ends_with('-') {
        return rest.contains('-');
    }
    let part = rest.strip_prefix('-').unwrap_or(rest);
    !rest.is_empty() && (!rest.starts_with('-') || part.contains('-'))
}

fn warning(index: usize, stem: &str, reached: &BTreeSet<String>) -> String {
    let first = reached.first().map_or("", String::as_str);
    let shown: Vec<&str> = reached.iter().take(SHOWN).map(String::as_str).collect();
    let more = reached.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "tenants[{index}].namespace: {stem}* also covers {}{more}: the star stands for any characters, hyphens too. If this \
         is intended, add an entry for {first} with the same hostAdmins; otherwise list the namespaces one by one",
        shown.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(tenants: &str, namespaces: &[&str]) -> Vec<String> {
        WorkspacePolicy::parse(&format!("tenants: [{tenants}]")).unwrap().wide_patterns(namespaces.iter().copied())
    }

    const OIL: &str = "{namespace: 'oil-*', hostAdmins: [zoe@host.example]}";

    #[test]
    fn wildcard_over_more_than_one_part_is_named() {
        for (tenants, namespaces) in [
            (OIL.to_owned(), vec!["oil-gas-prod"]),
            (format!("{OIL}, {{namespace: oil-gas-prod, hostAdmins: [alice@host.example]}}"), vec![]),
            (format!("{OIL}, {{namespace: 'oil-gas-*', hostAdmins: ['*@host.example']}}"), vec![]),
            ("{namespace: 'oil*', hostAdmins: [zoe@host.example]}".to_owned(), vec!["oilfield"]),
        ] {
            let found = warnings(&tenants, &namespaces);
            assert_eq!(found.len(), 1, "{tenants} {namespaces:?}: {found:?}");
            assert!(found[0].starts_with("tenants[0].namespace: oil"), "{found:?}");
        }
    }

    #[test]
    fn wildcard_that_is_meant_is_not_named() {
        for (tenants, namespaces) in [
            (OIL.to_owned(), vec!["oil-prod", "oil-test", "oil-", "gas-oil-prod"]),
            (format!("{OIL}, {{namespace: oil-prod, hostAdmins: [alice@host.example]}}"), vec!["oil-prod"]),
            (format!("{OIL}, {{namespace: 'gasfields-*', hostAdmins: [alice@host.example]}}"), vec![]),
            ("{namespace: '*', hostAdmins: ['*']}".to_owned(), vec!["oil-gas-prod"]),
            (
                format!("{OIL}, {{namespace: 'oil-gas-*', hostAdmins: [zoe@host.example, alice@host.example]}}"),
                vec!["oil-gas-prod"],
            ),
            ("{namespace: oil-gas-prod, hostAdmins: ['*']}".to_owned(), vec!["oil-gas-prod"]),
        ] {
            assert_eq!(warnings(&tenants, &namespaces), Vec::<String>::new(), "{tenants} {namespaces:?}");
        }
    }
}
