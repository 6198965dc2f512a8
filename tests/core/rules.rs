//! Each rule that one object decides has a spec that it refuses and one at its limit that it accepts. Every spec that
//! the schema accepts can be read. The page about the rules matches the code.
use guestlist::api;
use guestlist::domain::{Email, Reason, time};
use guestlist::validation::{ReasonGroup, Taint, Violation, entry, explain, markdown, spec};

const PARTNER: &str = "hostAdmins: [alice@host.example]\n";
const MEMBERSHIP: &str = "partnerRef: {name: acme}\nemail: bob@acme.example\ninvitedBy: alice@host.example\n";
const SHARE: &str = "partnerRef: {name: acme}\naccount: instagram-main\nsharedBy: alice@host.example\n";

fn partner(spec: &str) -> Vec<Violation> {
    spec::partner(&serde_saphyr::from_str::<api::LocalPartnerSpec>(spec).unwrap()).violations
}

fn membership(spec: &str) -> Vec<Violation> {
    spec::membership(&serde_saphyr::from_str::<api::GuestMembershipSpec>(spec).unwrap()).violations
}

fn share(spec: &str) -> Vec<Violation> {
    spec::share(&serde_saphyr::from_str::<api::AccountShareSpec>(spec).unwrap()).violations
}

/// `broken` breaks exactly this rule at exactly this field, and `fine` breaks none.
#[track_caller]
fn refuses(reader: fn(&str) -> Vec<Violation>, base: &str, broken: &str, fine: &str, reason: Reason, path: &str) {
    let found = reader(&format!("{base}{broken}\n"));
    let told: Vec<_> = found.iter().map(|violation| (violation.reason, violation.path.as_str())).collect();
    assert_eq!(told, [(reason, path)], "{broken}");
    assert!(found[0].message.chars().count() <= 200, "{}", found[0].message);
    assert_eq!(reader(&format!("{base}{fine}\n")), [], "{fine}");
}

#[track_caller]
fn taints(reader: fn(&str) -> Vec<Violation>, spec: &str, taint: Taint) {
    assert!(reader(spec).iter().all(|violation| violation.taint == taint), "{:?}", reader(spec));
}

#[test]
fn minimal_specs_break_no_rule() {
    assert_eq!((partner(PARTNER), membership(MEMBERSHIP), share(SHARE)), (vec![], vec![], vec![]));
}

#[test]
fn a_partner_has_one_to_thirty_two_host_admins() {
    let many = |count: usize| {
        let list: Vec<_> = (0..count).map(|i| format!("a{i}@host.example")).collect();
        format!("hostAdmins: [{}]", list.join(", "))
    };
    refuses(partner, "", "hostAdmins: []", PARTNER, Reason::HostAdminRequired, "spec.hostAdmins");
    refuses(partner, "", &many(33), &many(32), Reason::HostAdminRequired, "spec.hostAdmins");
}

#[test]
fn set_holds_each_value_once_ignoring_case_where_insensitive() {
    let bad = "hostAdmins: [alice@host.example, Alice@HOST.example]";
    let fine = "hostAdmins: [alice@host.example, alice+a@host.example]";
    refuses(partner, "", bad, fine, Reason::InvalidValue, "spec.hostAdmins[1]");
    let domains = |list: &str| format!("guests: {{deniedDomains: [{list}]}}");
    let (bad, fine) = (domains("a.example, b.example, a.example"), domains("a.example, b.example"));
    refuses(partner, PARTNER, &bad, &fine, Reason::InvalidValue, "spec.guests.deniedDomains[2]");
    let (bad, fine) = ("mfa: {methods: [TOTP, TOTP]}", "mfa: {methods: [TOTP, WebAuthn]}");
    refuses(membership, MEMBERSHIP, bad, fine, Reason::InvalidValue, "spec.mfa.methods[1]");
    let (bad, fine) = ("exclude: [{name: erin}, {name: erin}]", "exclude: [{name: erin}, {name: Erin}]");
    refuses(share, SHARE, bad, fine, Reason::InvalidValue, "spec.exclude[1].name");
    let users =
        |names: [&str; 2]| format!("guestUsers: {:?}", names.map(|n| format!("{{name: {n}, propagatedBy: c}}")));
    let users = |names| users(names).replace('"', "");
    refuses(share, SHARE, &users(["b", "b"]), &users(["b", "d"]), Reason::InvalidValue, "spec.guestUsers[1].name");
    let (bad, fine) = (
        "roleOverrides: [{name: d, role: Manager}, {name: d, role: Collaborator}]",
        "roleOverrides: [{name: d, role: Manager}, {name: e, role: Collaborator}]\nexclude: [{name: d}]",
    );
    refuses(share, SHARE, bad, fine, Reason::InvalidValue, "spec.roleOverrides[1].name");
}

#[test]
fn a_duration_is_written_in_hours_minutes_and_seconds() {
    for bad in ["7d", "-1h", "1.5h", "72", "''", "30m1h", "P3D", "1000000h"] {
        let (bad, fine) = (format!("invitations: {{expireAfter: {bad}}}"), "invitations: {expireAfter: 1h30m}");
        refuses(partner, PARTNER, &bad, fine, Reason::InvalidValue, "spec.invitations.expireAfter");
    }
    let (bad, fine) = ("guests: {maxDuration: 180 days}", "guests: {maxDuration: 999999h}");
    refuses(partner, PARTNER, bad, fine, Reason::InvalidValue, "spec.guests.maxDuration");
    refuses(
        partner,
        PARTNER,
        "mfa: {enrolWithin: 1w}",
        "mfa: {enrolWithin: 1s}",
        Reason::InvalidValue,
        "spec.mfa.enrolWithin",
    );
}

#[test]
fn duration_of_nothing_in_any_spelling_is_refused() {
    let parts = ["", "0", "00", "000000"];
    for spelling in 1..parts.len().pow(3) {
        let unit = |place: usize, unit: &str| {
            let digits = parts[spelling / parts.len().pow(u32::try_from(place).unwrap()) % parts.len()];
            if digits.is_empty() { String::new() } else { format!("{digits}{unit}") }
        };
        let zero = format!("{}{}{}", unit(2, "h"), unit(1, "m"), unit(0, "s"));
        let more = format!("{}{}1s", unit(2, "h"), unit(1, "m"));
        for (field, path, otherwise) in [
            ("guests: {maxDuration: WHEN}", "spec.guests.maxDuration", "no limit"),
            ("invitations: {expireAfter: WHEN}", "spec.invitations.expireAfter", "72h"),
            ("mfa: {enrolWithin: WHEN}", "spec.mfa.enrolWithin", "168h"),
        ] {
            let (bad, fine) = (field.replace("WHEN", &zero), field.replace("WHEN", &more));
            refuses(partner, PARTNER, &bad, &fine, Reason::InvalidValue, path);
            let message = &partner(&format!("{PARTNER}{bad}\n"))[0].message;
            assert!(message.contains("leave the field out for") && message.contains(otherwise), "{message}");
        }
    }
}

#[test]
fn invitation_is_valid_for_a_year_at_most() {
    let (bad, fine) = ("invitations: {expireAfter: 8760h1s}", "invitations: {expireAfter: 8760h}");
    refuses(partner, PARTNER, bad, fine, Reason::InvalidValue, "spec.invitations.expireAfter");
}

#[test]
fn names_have_something_visible_and_nothing_hidden() {
    let long = format!("displayName: {}", "x".repeat(101));
    let fine = format!("displayName: {}", "x".repeat(100));
    for bad in [
        r#""""#,
        r#"" ""#,
        r#""\u3000""#,
        r#""a\nb""#,
        r#""a\0""#,
        r#""\e[2J""#,
        r#""\u202Ea""#,
        r#""a\u200B""#,
        r#""\uFEFFa""#,
    ] {
        let bad = format!("displayName: {bad}");
        refuses(partner, PARTNER, &bad, &fine, Reason::InvalidValue, "spec.displayName");
        refuses(membership, MEMBERSHIP, &bad, &fine, Reason::InvalidValue, "spec.displayName");
    }
    refuses(partner, PARTNER, &long, &fine, Reason::InvalidValue, "spec.displayName");
    for bad in [r#""\u202Einsta""#, r#"" ""#, r#""insta\tgram""#] {
        let found = share(&SHARE.replace("instagram-main", bad));
        assert_eq!(
            found.iter().map(|it| (it.reason, &*it.path)).collect::<Vec<_>>(),
            [(Reason::InvalidValue, "spec.account")]
        );
    }
}

#[test]
fn a_time_is_rfc_3339_with_an_offset() {
    for bad in ["2027-06-30", "2027-06-30T00:00:00+99:99", "2027-02-29T00:00:00Z", "soon", "2027-06-30T00:00:00Z[UTC]"]
    {
        let (bad, fine) = (format!("expiresAt: '{bad}'"), "expiresAt: '2028-02-29T00:00:00.5+02:00'");
        refuses(partner, PARTNER, &bad, fine, Reason::InvalidValue, "spec.expiresAt");
        refuses(membership, MEMBERSHIP, &bad, fine, Reason::InvalidValue, "spec.expiresAt");
        refuses(share, SHARE, &bad, fine, Reason::InvalidValue, "spec.expiresAt");
    }
}

#[test]
fn words_are_written_exactly() {
    refuses(partner, PARTNER, "adoption: always", "adoption: Unmarked", Reason::InvalidValue, "spec.adoption");
    refuses(partner, PARTNER, "deletion: block", "deletion: Cascade", Reason::InvalidValue, "spec.deletion");
    refuses(membership, MEMBERSHIP, "role: Manager", "role: GuestAdmin", Reason::InvalidValue, "spec.role");
    refuses(
        share,
        SHARE,
        "guestAdminRole: manager",
        "guestAdminRole: Manager",
        Reason::InvalidValue,
        "spec.guestAdminRole",
    );
    let (bad, fine) = ("roleOverrides: [{name: d, role: ''}]", "roleOverrides: [{name: d, role: Manager}]");
    refuses(share, SHARE, bad, fine, Reason::InvalidValue, "spec.roleOverrides[0].role");
}

#[test]
fn a_quota_is_a_count() {
    for bad in ["-1", "1000001"] {
        let bad = format!("guests: {{maxGuests: {bad}}}");
        for fine in ["guests: {maxGuests: 0}", "guests: {maxGuests: 1000000}"] {
            refuses(partner, PARTNER, &bad, fine, Reason::InvalidValue, "spec.guests.maxGuests");
        }
    }
}

#[test]
fn mfa_is_not_waived_anywhere() {
    let (bad, fine) = ("mfa: {required: false}", "mfa: {required: true}");
    refuses(partner, PARTNER, bad, fine, Reason::MfaCannotBeWaived, "spec.mfa.required");
    refuses(membership, MEMBERSHIP, bad, fine, Reason::MfaCannotBeWaived, "spec.mfa.required");
    refuses(share, SHARE, bad, fine, Reason::MfaCannotBeWaived, "spec.mfa.required");
}

#[test]
fn methods_are_some_of_the_two_that_there_are() {
    for (reader, base) in [(partner as fn(&str) -> _, PARTNER), (membership, MEMBERSHIP), (share, SHARE)] {
        let fine = "mfa: {methods: [WebAuthn]}";
        refuses(reader, base, "mfa: {methods: []}", fine, Reason::MfaMethodNotAllowed, "spec.mfa.methods");
        refuses(reader, base, "mfa: {methods: [TOTP, SMS]}", fine, Reason::MfaMethodNotAllowed, "spec.mfa.methods[1]");
        refuses(reader, base, "mfa: {methods: [totp]}", "mfa: {}", Reason::MfaMethodNotAllowed, "spec.mfa.methods[0]");
    }
}

#[test]
fn enrolment_takes_at_most_thirty_days() {
    let path = "spec.mfa.enrolWithin";
    for bad in ["721h", "720h0m1s", "999999h"] {
        let bad = format!("mfa: {{enrolWithin: {bad}}}");
        refuses(partner, PARTNER, &bad, "mfa: {enrolWithin: 720h}", Reason::MfaDeadlineTooLong, path);
    }
}

#[test]
fn an_address_is_one_mailbox_wherever_it_stands() {
    for bad in
        ["'Bob <bob@acme.example>'", "bob@acme", "bob@acme.example.", "b..b@acme.example", "bób@acme.example", "''"]
    {
        let (hosts, fine) = (format!("hostAdmins: [{bad}]"), "hostAdmins: [Alice+x@HOST.example]");
        refuses(partner, "", &hosts, fine, Reason::InvalidEmail, "spec.hostAdmins[0]");
        for field in ["email", "invitedBy"] {
            let base = MEMBERSHIP.lines().filter(|line| !line.starts_with(field)).collect::<Vec<_>>().join("\n") + "\n";
            let (bad, fine) = (format!("{field}: {bad}"), format!("{field}: B@acme.example"));
            refuses(membership, &base, &bad, &fine, Reason::InvalidEmail, &format!("spec.{field}"));
        }
        let base = "partnerRef: {name: acme}\naccount: instagram-main\n";
        let (sharer, fine) = (format!("sharedBy: {bad}"), "sharedBy: a@host.example");
        refuses(share, base, &sharer, fine, Reason::InvalidEmail, "spec.sharedBy");
        for (list, rest) in [("guestUsers", ", propagatedBy: c"), ("roleOverrides", ", role: Manager"), ("exclude", "")]
        {
            let entry = |pin: &str| format!("{list}: [{{name: a{rest}}}, {{name: b{rest}, email: {pin}}}]");
            let path = format!("spec.{list}[1].email");
            refuses(share, SHARE, &entry(bad), &entry("b@acme.example"), Reason::InvalidEmail, &path);
        }
    }
}

#[test]
fn a_partner_has_one_list_of_plain_domains() {
    let fine = "guests: {allowedDomains: [acme.example, xn--bcher-kva.example]}";
    let rule = Reason::DomainListsExclusive;
    let both = "guests: {allowedDomains: [a.example], deniedDomains: [b.example]}";
    refuses(partner, PARTNER, both, fine, rule, "spec.guests.deniedDomains");
    for list in ["allowedDomains", "deniedDomains"] {
        let with = |entries: &str| format!("guests: {{{list}: [{entries}]}}");
        refuses(partner, PARTNER, &with(""), fine, rule, &format!("spec.guests.{list}"));
        for bad in ["Acme.example", "'*.acme.example'", "acme", "acme.example.", "'@acme.example'", "''"] {
            refuses(
                partner,
                PARTNER,
                &with(&format!("x.example, {bad}")),
                fine,
                rule,
                &format!("spec.guests.{list}[1]"),
            );
        }
    }
}

#[test]
fn owner_role_is_never_shared_and_in_an_entry_taints_only_it() {
    let (bad, fine) = ("guestAdminRole: Owner", "guestAdminRole: Collaborator");
    refuses(share, SHARE, bad, fine, Reason::OwnerNeverShared, "spec.guestAdminRole");
    taints(share, &format!("{SHARE}{bad}"), Taint::Object);
    let (bad, fine) = ("roleOverrides: [{name: d, role: Owner}]", "roleOverrides: [{name: d, role: Collaborator}]");
    refuses(share, SHARE, bad, fine, Reason::OwnerNeverShared, "spec.roleOverrides[0].role");
    taints(share, &format!("{SHARE}{bad}"), Taint::Entry);
    let user = |role: &str| format!("guestUsers: [{{name: b, propagatedBy: c, role: {role}}}]");
    refuses(share, SHARE, &user("Owner"), &user("Collaborator"), Reason::OwnerNeverShared, "spec.guestUsers[0].role");
    taints(share, &format!("{SHARE}{}", user("Owner")), Taint::Entry);
}

#[test]
fn propagated_role_is_only_collaborator() {
    let user = |role: &str| format!("guestUsers: [{{name: b, propagatedBy: c, role: {role}}}]");
    let rule = Reason::ManagerNeedsGuestAdmin;
    refuses(share, SHARE, &user("Manager"), &user("Collaborator"), rule, "spec.guestUsers[0].role");
    taints(share, &format!("{SHARE}{}", user("Manager")), Taint::Entry);
    refuses(share, SHARE, &user("manager"), &user("Collaborator"), Reason::InvalidValue, "spec.guestUsers[0].role");
}

#[test]
fn violations_are_listed_in_rule_order_and_then_entry_order() {
    let users: Vec<_> = (0..12).map(|i| format!("{{name: b{i}, propagatedBy: c, role: Manager}}")).collect();
    let spec = format!(
        "partnerRef: {{name: acme}}\naccount: a\nsharedBy: nobody\nguestAdminRole: Owner\nexpiresAt: never\n\
         mfa: {{required: false, methods: []}}\nguestUsers: [{}]\n",
        users.join(", ")
    );
    let found = share(&spec);
    let mut expected = vec![
        (Reason::InvalidValue, "spec.expiresAt".to_owned()),
        (Reason::MfaCannotBeWaived, "spec.mfa.required".to_owned()),
        (Reason::MfaMethodNotAllowed, "spec.mfa.methods".to_owned()),
        (Reason::InvalidEmail, "spec.sharedBy".to_owned()),
        (Reason::OwnerNeverShared, "spec.guestAdminRole".to_owned()),
    ];
    expected.extend((0..12).map(|i| (Reason::ManagerNeedsGuestAdmin, format!("spec.guestUsers[{i}].role"))));
    let told: Vec<_> = found.into_iter().map(|violation| (violation.reason, violation.path)).collect();
    assert_eq!(told, expected);
}

#[test]
fn unreadable_field_grants_least() {
    let spec =
        "hostAdmins: [x, alice@host.example]\nguests: {maxGuests: -5}\nmfa: {methods: [SMS]}\nadoption: yes please\n";
    let terms = spec::partner(&serde_saphyr::from_str(spec).unwrap()).terms;
    assert_eq!(terms.host_admins.iter().map(|admin| admin.index).collect::<Vec<_>>(), [1]);
    assert!(terms.methods.is_empty() && terms.max_guests == Some(0));
    assert_eq!(terms.adoption, guestlist::domain::Adoption::Never);
}

#[test]
fn every_word_is_explained_and_read_back() {
    for reason in Reason::ALL {
        let text = explain(*reason);
        assert!(text.starts_with(reason.as_str()) && text.lines().count() > 3, "{text}");
        let is_rule = matches!(entry(*reason).sort, ReasonGroup::Rule | ReasonGroup::WaitingRule);
        assert!(!is_rule || text.contains("\nExample\n    "), "{reason} has no example of its fix");
        assert!(text.lines().all(|line| line.chars().count() < 280), "{text}");
        assert_eq!(Reason::parse(&reason.as_str().to_lowercase()), Some(*reason));
        assert!(markdown().contains(&format!("| `{reason}` |")), "{reason} is not on the page");
    }
    assert_eq!(Reason::parse("NoSuchWord"), None);
    assert!(Reason::ALL.is_sorted());
}

mod anything {
    use super::*;
    use proptest::collection::vec;
    use proptest::option::of;
    use proptest::prelude::*;

    /// Valid, nearly valid and arbitrary text.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("alice@host.example".to_owned()),
            Just("Owner".to_owned()),
            Just("Manager".to_owned()),
            Just("TOTP".to_owned()),
            "[0-9]{1,7}[hms]([0-9]{1,7}[ms])?",
            "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,10})?(Z|[+-][0-9]{2}:[0-9]{2})",
            "[a-zA-Z0-9.+-]{0,8}@[a-zA-Z0-9.-]{0,12}",
            "\\PC{0,600}",
            any::<String>(),
        ]
    }

    fn mfa() -> impl Strategy<Value = Option<api::Mfa>> {
        of((of(any::<bool>()), of(vec(text(), 0..4))).prop_map(|(required, methods)| api::Mfa { required, methods }))
    }

    prop_compose! {
        fn partner_spec()(
            host_admins in vec(text(), 0..40), words in vec(of(text()), 7), lists in vec(of(vec(text(), 0..5)), 3),
            required in of(any::<bool>()), max_guests in of(any::<i64>()), suspended in of(any::<bool>()),
        ) -> api::LocalPartnerSpec {
            api::LocalPartnerSpec {
                display_name: words[0].clone(), host_admins, suspended,
                mfa: Some(api::PartnerMfa { required, methods: lists[0].clone(), enrol_within: words[1].clone() }),
                invitations: Some(api::InvitationSettings { expire_after: words[2].clone() }),
                guests: Some(api::GuestLimits {
                    allowed_domains: lists[1].clone(), denied_domains: lists[2].clone(), max_guests,
                    max_duration: words[3].clone(),
                }),
                expires_at: words[4].clone(), adoption: words[5].clone(), deletion: words[6].clone(),
            }
        }
    }

    prop_compose! {
        fn membership_spec()(
            name in text(), email in text(), invited_by in text(), words in vec(of(text()), 3), mfa in mfa(),
            suspended in of(any::<bool>()),
        ) -> api::GuestMembershipSpec {
            api::GuestMembershipSpec {
                partner_ref: api::PartnerRef { name }, email, invited_by, mfa, suspended,
                display_name: words[0].clone(), role: words[1].clone(), expires_at: words[2].clone(),
            }
        }
    }

    prop_compose! {
        fn share_spec()(
            base in vec(text(), 3), words in vec(of(text()), 2), mfa in mfa(), suspended in of(any::<bool>()),
            users in of(vec((text(), text(), of(text()), of(text())), 0..5)),
            overrides in of(vec((text(), text(), of(text())), 0..5)),
            exclude in of(vec((text(), of(text())), 0..5)),
        ) -> api::AccountShareSpec {
            api::AccountShareSpec {
                partner_ref: api::PartnerRef { name: base[0].clone() },
                account: base[1].clone(), shared_by: base[2].clone(), mfa, suspended,
                guest_admin_role: words[0].clone(), expires_at: words[1].clone(),
                guest_users: users.map(|list| list.into_iter().map(|(name, propagated_by, email, role)|
                    api::GuestUserEntry { name, propagated_by, email, role }).collect()),
                role_overrides: overrides.map(|list| list.into_iter().map(|(name, role, email)|
                    api::RoleOverrideEntry { name, role, email }).collect()),
                exclude: exclude.map(|list| list.into_iter().map(|(name, email)|
                    api::ExcludeEntry { name, email }).collect()),
            }
        }
    }

    fn told(violations: &[Violation]) -> Result<(), TestCaseError> {
        prop_assert!(violations.is_sorted());
        for violation in violations {
            prop_assert!(violation.message.chars().count() <= 200, "{}", violation.message);
            prop_assert!(!violation.message.contains('\n') && violation.path.starts_with("spec."));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn every_partner_reads(spec in partner_spec()) {
            let reading = spec::partner(&spec);
            told(&reading.violations)?;
            prop_assert!(reading.terms.host_admins.len() <= spec.host_admins.len());
        }

        #[test]
        fn every_membership_reads(spec in membership_spec()) {
            let reading = spec::membership(&spec);
            told(&reading.violations)?;
            let said = reading.violations.iter().any(|violation| violation.path == "spec.email");
            prop_assert_eq!(reading.terms.email.is_none(), said);
        }

        #[test]
        fn every_share_reads_and_nobody_is_owner(spec in share_spec()) {
            let reading = spec::share(&spec);
            told(&reading.violations)?;
            let owners = spec.guest_admin_role.iter().chain(spec.role_overrides.iter().flatten().map(|entry| &entry.role))
                .chain(spec.guest_users.iter().flatten().filter_map(|entry| entry.role.as_ref()))
                .filter(|role| *role == "Owner").count();
            let refused = reading.violations.iter().filter(|found| found.reason == Reason::OwnerNeverShared).count();
            prop_assert_eq!(owners, refused);
        }

        #[test]
        fn parsed_values_survive_display_and_parsing(text in text()) {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
                prop_assert!(guestlist::domain::Domain::parse(email.domain().as_str()).is_ok());
            }
            if let Ok(duration) = time::duration(&text) {
                prop_assert_eq!(time::duration(&time::show_duration(duration)), Ok(duration));
            }
            if let Ok(instant) = time::instant(&text) {
                prop_assert_eq!(time::instant(&instant.to_string()), Ok(instant));
            }
        }
    }
}
