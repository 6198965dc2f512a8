//! The workspace policy, which only the platform team writes: corporate domains, the Host Admins that each namespace
//! may name, and adoption. A tenant's statements about themselves prove nothing. Each reconcile therefore reads the
//! policy before it grants access. Pure: the caller reads the file.

mod reach;

use jiff::SignedDuration;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;

use crate::domain::{Domain, Email, time};
use crate::util::suggest::yaml_problem;
use crate::yaml::{self, Switch};

/// The installation's name if the policy contains none.
pub const DEFAULT_INSTALLATION: &str = "default";

/// The maximum of the mail interval, and of the time that access is kept while MFA is unknown.
const LONGEST: SignedDuration = SignedDuration::from_hours(720);
/// The maximum of invitations per namespace and hour.
const MOST_INVITATIONS: usize = 1_000_000;
/// The error of a policy without a list of tenants, such as a file that was cut off.
const NO_TENANTS: &str = "tenants: the list is missing, and a policy without it is not in force; list the tenants, or write \
                          tenants: [] to deny all access";

/// The policy in force. The default policy denies all access.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkspacePolicy {
    installation: String,
    domains: Vec<Domain>,
    tenants: Vec<Tenant>,
    /// How long a guest keeps access while MFA is unknown.
    pub mfa_unknown_max: SignedDuration,
    /// Minimum time between two mails to one address.
    pub mail_interval: SignedDuration,
    /// Maximum number of invitations per namespace and hour.
    pub invitations_per_hour: usize,
    /// The pace of purging deactivated records.
    pub purge: Purge,
    readable: bool,
}

/// The pace of purging deactivated records.
#[derive(Clone, Debug, PartialEq)]
pub struct Purge {
    /// The time from deactivation to purge.
    pub after: SignedDuration,
    /// The maximum of purges per hour, in percent of all guests with an ownership mark, rounded up.
    pub per_hour_percent: u8,
}

/// An entry of `tenants`: the Host Admins that a namespace may name.
#[derive(Clone, Debug, PartialEq)]
struct Tenant {
    namespace: Pattern,
    host_admins: Vec<AddressPattern>,
    adoption: bool,
}

/// A namespace: a name, a prefix followed by `*`, or `*`.
#[derive(Clone, Debug, PartialEq)]
enum Pattern {
    Exactly(String),
    StartingWith(String),
}

/// An address, `*@domain`, or `*`.
#[derive(Clone, Debug, PartialEq)]
enum AddressPattern {
    Exactly(Email),
    OnDomain(Domain),
    Anybody,
}

impl Default for WorkspacePolicy {
    fn default() -> Self {
        Self {
            installation: DEFAULT_INSTALLATION.to_owned(),
            domains: Vec::new(),
            tenants: Vec::new(),
            mfa_unknown_max: SignedDuration::from_hours(24),
            mail_interval: SignedDuration::from_mins(10),
            invitations_per_hour: 30,
            purge: Purge { after: SignedDuration::from_hours(24), per_hour_percent: 25 },
            readable: true,
        }
    }
}

/// The format of the file. The comments of its fields are the reference in `docs/policy.md`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    /// The name in the ownership mark of each record. A new value needs a restart.
    #[serde(default)]
    installation: Option<String>,
    /// The corporate domains. Without one, no guest is invited.
    #[serde(default)]
    domains: Vec<String>,
    /// The namespaces that may name Host Admins. `[]` denies all access.
    #[serde(default)]
    tenants: Option<Vec<FileTenant>>,
    /// How long guests keep their access while their MFA is unknown; at most `720h`.
    #[serde(default)]
    mfa_unknown_max: Option<String>,
    /// Minimum time between two mails to one address; at most `720h`.
    #[serde(default)]
    mail_interval: Option<String>,
    /// Invitations of a namespace in an hour, resends included: 1 to 1000000.
    #[serde(default)]
    invitations_per_hour: Option<i64>,
    /// The pace of purging deactivated records.
    #[serde(default)]
    purge: Option<FilePurge>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileTenant {
    /// A name, a prefix and `*`, or `*` alone. Entries add up.
    namespace: String,
    /// Addresses that the namespace may name as `hostAdmins`, `sharedBy` or `invitedBy`.
    #[serde(default)]
    host_admins: Vec<String>,
    /// Whether partners with `adoption: Unmarked` may adopt existing users.
    #[serde(default)]
    #[schemars(with = "Option<bool>")]
    adoption: Option<Switch>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FilePurge {
    /// How long a record stays deactivated before it is purged.
    #[serde(default)]
    after: Option<String>,
    /// How many records are purged in an hour, as a share of all marked records, rounded up.
    #[serde(default)]
    per_hour: Option<String>,
}

/// The JSON schema of a policy file, with the meaning of each field.
pub fn file_schema() -> serde_json::Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<File>().to_value()
}

impl WorkspacePolicy {
    /// Parses the text of a policy file. The error names the position, the problem and the fix. A policy without a list
    /// of tenants is an error: a file that was cut off or emptied must not revoke all access.
    ///
    /// # Errors
    ///
    /// The text is no policy. The error names the place and the fix.
    pub fn parse(text: &str) -> Result<Self, String> {
        let options = serde_saphyr::options! { with_snippet: false };
        let file: Option<File> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let (place, what) = yaml_problem(&error);
            place.map_or_else(|| what.clone(), |(line, column)| format!("line {line}, column {column}: {what}"))
        })?;
        if let Some((line, column, what)) = yaml::ambiguity(text) {
            return Err(format!("line {line}, column {column}: {what}"));
        }
        let file = file.ok_or_else(|| NO_TENANTS.to_owned())?;
        let tenants = file.tenants.as_ref().ok_or_else(|| NO_TENANTS.to_owned())?;
        let default = Self::default();
        let duration = |field: &str, value: Option<&String>, default: SignedDuration| match value {
            Some(text) => time::duration(text).map_err(|error| format!("{field}: {error}")),
            None => Ok(default),
        };
        let short = |field: &str, value, default| match duration(field, value, default)? {
            long if long > LONGEST => {
                Err(format!("{field}: {} is too long; write at most 720h", time::show_duration(long)))
            }
            read => Ok(read),
        };
        let purge = file.purge.as_ref();
        Ok(Self {
            installation: installation(file.installation.as_deref())?,
            domains: file
                .domains
                .iter()
                .enumerate()
                .map(|(i, text)| Domain::parse(text).map_err(|error| format!("domains[{i}]: {error}")))
                .collect::<Result<_, _>>()?,
            tenants: tenants.iter().enumerate().map(|(i, t)| Tenant::read(i, t)).collect::<Result<_, _>>()?,
            mfa_unknown_max: short("mfaUnknownMax", file.mfa_unknown_max.as_ref(), default.mfa_unknown_max)?,
            mail_interval: short("mailInterval", file.mail_interval.as_ref(), default.mail_interval)?,
            invitations_per_hour: invitations_per_hour(file.invitations_per_hour, default.invitations_per_hour)?,
            purge: Purge {
                after: duration("purge.after", purge.and_then(|d| d.after.as_ref()), default.purge.after)?,
                per_hour_percent: match purge.and_then(|d| d.per_hour.as_ref()) {
                    Some(text) => time::percentage(text).map_err(|error| format!("purge.perHour: {error}"))?,
                    None => default.purge.per_hour_percent,
                },
            },
            readable: true,
        })
    }

    /// The installation's name, which every ownership mark contains.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// Whether the policy file is readable now. If not, the last valid policy stays in force, but nothing is granted.
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Sets whether the policy file is readable now.
    pub fn set_readable(&mut self, readable: bool) {
        self.readable = readable;
    }

    /// The corporate domains. Empty: they are unknown, and no guest is invited.
    pub fn corporate_domains(&self) -> &[Domain] {
        &self.domains
    }

    /// Whether a namespace may name a Host Admin.
    pub fn allows_admin(&self, namespace: &str, admin: &Email) -> bool {
        self.tenants_of(namespace).any(|tenant| tenant.host_admins.iter().any(|pattern| pattern.matches(admin)))
    }

    /// Whether a namespace may adopt existing users.
    pub fn allows_adoption(&self, namespace: &str) -> bool {
        self.tenants_of(namespace).any(|tenant| tenant.adoption)
    }

    fn tenants_of<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Tenant> {
        self.tenants.iter().filter(move |tenant| tenant.namespace.matches(namespace))
    }
}

fn invitations_per_hour(number: Option<i64>, default: usize) -> Result<usize, String> {
    let Some(number) = number else { return Ok(default) };
    let read = usize::try_from(number).ok().filter(|number| (1..=MOST_INVITATIONS).contains(number));
    read.ok_or_else(|| {
        let why =
            if number == 0 { "0 lets nobody in".to_owned() } else { format!("{number} is no number of invitations") };
        format!("invitationsPerHour: {why}; write 1 to {MOST_INVITATIONS}, or leave it out for {default}")
    })
}

fn installation(name: Option<&str>) -> Result<String, String> {
    let name = name.unwrap_or(DEFAULT_INSTALLATION);
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if name.is_empty() || name.len() > 63 || !name.chars().all(fits) {
        return Err(format!(
            "installation: {name:?} is not a name of at most 63 lower-case letters, digits, '-' and '.'; write it like prod-eu"
        ));
    }
    Ok(name.to_owned())
}

impl Tenant {
    fn read(index: usize, file: &FileTenant) -> Result<Self, String> {
        Ok(Self {
            namespace: Pattern::read(&file.namespace).map_err(|e| format!("tenants[{index}].namespace: {e}"))?,
            host_admins: file
                .host_admins
                .iter()
                .enumerate()
                .map(|(i, text)| {
                    AddressPattern::read(text).map_err(|e| format!("tenants[{index}].hostAdmins[{i}]: {e}"))
                })
                .collect::<Result<_, _>>()?,
            adoption: file.adoption.is_some_and(|Switch(on)| on),
        })
    }
}

impl Pattern {
    fn read(text: &str) -> Result<Self, String> {
        let (stem, open) = text.strip_suffix('*').map_or((text, false), |stem| (stem, true));
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (stem.is_empty() && !open) || stem.len() > 63 || !stem.chars().all(fits) {
            return Err(format!("{text:?} is not a namespace; write a name, team-* or *"));
        }
        Ok(if open { Self::StartingWith(stem.to_owned()) } else { Self::Exactly(stem.to_owned()) })
    }

    fn matches(&self, namespace: &str) -> bool {
        match self {
            Self::Exactly(name) => name == namespace,
            Self::StartingWith(stem) => namespace.starts_with(stem.as_str()),
        }
    }
}

impl AddressPattern {
    fn read(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Anybody);
        }
        if let Some(domain) = text.strip_prefix("*@") {
            return Domain::parse(domain).map(Self::OnDomain);
        }
        // `*` is allowed in addresses, but here it could be mistaken for a pattern.
        let read = if text.contains('*') { Err(format!("{text:?} has a star in it")) } else { Email::parse(text) };
        read.map(Self::Exactly).map_err(|error| {
            format!("{error}; write an address, *@host.example or *: the star stands for a whole local part")
        })
    }

    fn matches(&self, email: &Email) -> bool {
        match self {
            Self::Exactly(address) => address == email,
            Self::OnDomain(domain) => email.domain() == *domain,
            Self::Anybody => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    const POLICY: &str = r#"
installation: prod-eu
domains: [host.example]
tenants:
- {namespace: partners, hostAdmins: ["*@host.example"], adoption: true}
- {namespace: "team-*", hostAdmins: [zoe@host.example]}
mfaUnknownMax: 12h
mailInterval: 0s
purge: {after: 48h, perHour: 10%}
"#;

    #[test]
    fn each_bound_of_the_policy_is_inclusive() {
        let longest = "a".repeat(63);
        let fields = [
            ("installation", vec!["a", &longest], vec![String::new(), format!("{longest}a"), "A".to_owned()]),
            ("invitationsPerHour", vec!["1", "1000000"], vec!["0".to_owned(), "1000001".to_owned(), "-1".to_owned()]),
            ("mfaUnknownMax", vec!["0s", "720h"], vec!["721h".to_owned()]),
            ("mailInterval", vec!["0s", "720h"], vec!["721h".to_owned()]),
        ];
        for (field, accepted, refused) in fields {
            let quote = if field == "invitationsPerHour" { "" } else { "'" };
            let parse = |value: &str| WorkspacePolicy::parse(&format!("tenants: []\n{field}: {quote}{value}{quote}\n"));
            for value in accepted {
                assert!(parse(value).is_ok(), "{field}: {value}: {:?}", parse(value));
            }
            for value in refused {
                assert!(parse(&value).unwrap_err().contains(field), "{field}: {value}");
            }
        }
        let hourly = |text: &str| {
            WorkspacePolicy::parse(&format!("tenants: []\npurge: {{perHour: {text}}}\n"))
                .map(|policy| policy.purge.per_hour_percent)
        };
        assert_eq!((hourly("1%"), hourly("100%")), (Ok(1), Ok(100)));
        assert!(hourly("101%").is_err());
    }

    #[test]
    fn namespace_may_act_only_for_users_listed_in_the_policy() {
        let policy = WorkspacePolicy::parse(POLICY).unwrap();
        assert!(policy.allows_admin("partners", &email("anybody@host.example")));
        assert!(!policy.allows_admin("partners", &email("anybody@sub.host.example")));
        assert!(policy.allows_admin("team-a", &email("Zoe@host.example")));
        assert!(!policy.allows_admin("team-a", &email("alice@host.example")));
        assert!(!policy.allows_admin("elsewhere", &email("zoe@host.example")));
        assert!(policy.allows_adoption("partners") && !policy.allows_adoption("team-a"));
        assert_eq!(policy.mail_interval, SignedDuration::ZERO);
        assert_eq!((policy.installation(), policy.purge.per_hour_percent), ("prod-eu", 10));
    }

    #[test]
    fn all_entries_that_cover_a_namespace_add_up() {
        let entries = [
            "{namespace: team-a, hostAdmins: [alice@host.example]}",
            "{namespace: 'team-*', hostAdmins: ['*@sub.host.example']}",
            "{namespace: '*', adoption: true}",
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let text = format!("tenants: [{}]", order.map(|entry| entries[entry]).join(", "));
            let policy = WorkspacePolicy::parse(&text).unwrap();
            assert!(policy.allows_admin("team-a", &email("alice@host.example")), "{text}");
            assert!(policy.allows_admin("team-a", &email("bob@sub.host.example")), "{text}");
            assert!(!policy.allows_admin("team-b", &email("alice@host.example")), "{text}");
            assert!(policy.allows_adoption("team-a") && policy.allows_adoption("b"), "{text}");
        }
    }

    #[test]
    fn policy_without_tenants_list_is_an_error() {
        for text in ["", "# nothing\n", "{}", "null", "installation: demo", "tenants:", "tenants: null", "tenants: ~"] {
            assert_eq!(WorkspacePolicy::parse(text), Err(NO_TENANTS.to_owned()), "{text}");
        }
        let commented = "installation: demo\ntenants:\n# - {namespace: a, hostAdmins: ['*@host.example']}\n";
        assert_eq!(WorkspacePolicy::parse(commented), Err(NO_TENANTS.to_owned()));
    }

    #[test]
    fn policy_with_empty_tenants_list_denies_all_access() {
        let policy = WorkspacePolicy::parse("tenants: []").unwrap();
        assert!(!policy.allows_admin("default", &email("alice@host.example")));
        assert!(policy.corporate_domains().is_empty());
    }

    #[test]
    fn every_prefix_of_a_policy_is_an_error_or_lists_tenants() {
        let policy = POLICY.trim_start();
        for end in policy.char_indices().map(|(at, _)| at) {
            let prefix = &policy[..end];
            if WorkspacePolicy::parse(prefix).is_ok() {
                assert!(prefix.contains("tenants:\n- {"), "{prefix}");
            }
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (text, place) in [
            ("tenants: []\ndomains: [Host.Example]", "domains[0]"),
            ("tenants: [{namespace: 'a*b'}]", "tenants[0].namespace"),
            ("tenants: [{namespace: a, hostAdmins: ['al*@host.example']}]", "tenants[0].hostAdmins[0]"),
            ("tenants: []\nmailInterval: soon", "mailInterval"),
            ("tenants: []\nmailInterval: 721h", "mailInterval: 721h is too long; write at most 720h"),
            ("tenants: []\nmfaUnknownMax: 720h1s", "mfaUnknownMax"),
            (
                "tenants: []\ninvitationsPerHour: 0",
                "invitationsPerHour: 0 lets nobody in; write 1 to 1000000, or leave it out for 30",
            ),
            ("tenants: []\ninvitationsPerHour: -3", "invitationsPerHour: -3 is no number"),
            ("invitationsPerHour: many", "line 1, column 21"),
            ("tenants: []\npurge: {perHour: lots}", "purge.perHour"),
            ("tennants: []", "line 1, column 1: there is no field \"tennants\"; did you mean \"tenants\"?"),
            ("domains: host.example", "line 1, column 10: a list belongs here"),
            ("domains: []\ndomains: []", "line 2, column 1: the key \"domains\" stands twice"),
            ("domains: []\n---\ndomains: []", "line 3, column 1: a second document"),
            ("domains: [", "line 1, column 10: "),
            ("tenants: [{namespace: a, adoption: yes}]", "line 1, column 36: "),
            ("tenants: [{namespace: a, adoption: 'true'}]", "line 1, column 26: "),
            ("domains: []\n...\ntenants: []", "line 3, column 1: "),
            ("tenants: []\ninstallation: Prod EU", "installation"),
        ] {
            let error = WorkspacePolicy::parse(text).unwrap_err();
            assert!(error.contains(place), "{text}: {error}");
        }
    }
}
