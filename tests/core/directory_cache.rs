//! The cache of the directory answers as a list of the records that it was given, after any of them.

use std::collections::{BTreeMap, BTreeSet};

use guestlist::directory::{
    AccountRecord, Applied, DirectoryCache, Grant, GrantRecord, GuestId, GuestRecord, Integrity, Login, MailRecord,
    MfaRecord, Origin, OwnershipMark, PartnerId, PartnerRecord, Purged, Revision, SentMail, ShareRecord, UserRecord,
};
use guestlist::domain::{Email, GuestRole, MfaMethod, ShareRole, all_methods};
use guestlist::util::small_map::SmallMap;
use jiff::{SignedDuration, Timestamp};

use crate::support::in_memory::email;
use crate::support::random::Random;

/// The number of changes in a run.
const CHANGES: usize = 3000;
const NAMES: [&str; 5] = ["bob", "carol", "dan", "erin", "frank"];
const PARTNERS: [&str; 3] = ["acme", "beta", "gamma"];
const SHARES: [&str; 4] = ["s1", "s2", "s3", "s4"];
const SPACES: [&str; 2] = ["partners", "studio"];

/// The records that the cache was given, as plain lists.
#[derive(Default)]
struct Given {
    guests: BTreeMap<Email, GuestRecord>,
    partners: BTreeMap<PartnerId, PartnerRecord>,
    accounts: BTreeMap<String, AccountRecord>,
    users: BTreeMap<Email, UserRecord>,
    last_mails: BTreeMap<Email, Timestamp>,
    mails: BTreeSet<(String, Timestamp, Email)>,
    shares: BTreeMap<String, ShareRecord>,
    purged: Purged,
}

fn at(minutes: usize) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(i64::try_from(minutes).unwrap())
}

fn address(random: &mut Random) -> Email {
    email(&format!("{}@acme.example", random.pick(&NAMES)))
}

fn mark(random: &mut Random) -> OwnershipMark {
    OwnershipMark {
        installation: "test".to_owned(),
        cluster: "files".to_owned(),
        namespace: random.pick(&SPACES).to_owned(),
        name: random.pick(&NAMES).to_owned(),
        uid: format!("uid-{}", random.below(6)),
        origin: Origin::Created,
    }
}

fn sent(random: &mut Random, minute: usize) -> Vec<SentMail> {
    let mails = (0..random.below(4)).map(|_| SentMail {
        at: at(minute.saturating_sub(random.below(60))),
        namespace: random.pick(&SPACES).to_owned(),
    });
    mails.collect()
}

/// A live guest without a mark, mails and grants.
fn sample() -> GuestRecord {
    GuestRecord {
        id: GuestId("sample".to_owned()),
        revision: Revision(1),
        mark: None,
        address: email("sample@acme.example"),
        email: email("sample@acme.example"),
        partner: PartnerId("acme".to_owned()),
        partner_name: "acme".to_owned(),
        display_name: "Sample".to_owned(),
        role: GuestRole::GuestUser,
        invitation: None,
        admitted_at: at(0),
        last_mail_at: None,
        recent_mails: Vec::new(),
        joined_at: None,
        login: Login::Enabled,
        mfa: MfaRecord::Unknown,
        mfa_lost_at: None,
        allowed: all_methods(),
        grants: SmallMap::default(),
        deactivated_at: None,
        integrity: Integrity::Intact,
    }
}

/// A record in which everything that the cache reads is random.
fn guest(random: &mut Random, sample: &GuestRecord, address: &Email, minute: usize) -> GuestRecord {
    let held = |random: &mut Random| GrantRecord {
        grant: Grant {
            account: format!("account-{}", random.below(3)),
            role: ShareRole::Collaborator,
            share: "share".to_owned(),
            share_uid: random.pick(&SHARES).to_owned(),
            allowed: all_methods(),
            asked: all_methods(),
            until: None,
        },
        since: at(minute),
    };
    let grants: SmallMap<String, GrantRecord> =
        (0..random.below(4)).map(|_| held(random)).map(|held| (held.grant.account.clone(), held)).collect();
    GuestRecord {
        id: GuestId(format!("{address}-{}", random.below(2))),
        mark: (random.below(5) > 0).then(|| mark(random)),
        email: email(random.pick(&["new@acme.example", "other@acme.example"])),
        partner: PartnerId(random.pick(&PARTNERS).to_owned()),
        partner_name: random.pick(&PARTNERS).to_owned(),
        last_mail_at: (random.below(2) == 0).then(|| at(minute.saturating_sub(random.below(90)))),
        recent_mails: sent(random, minute),
        deactivated_at: (random.below(3) == 0).then(|| at(minute)),
        login: random.pick(&[Login::Enabled, Login::DisabledByGuestlist, Login::DisabledByOther]),
        mfa_lost_at: (random.below(2) == 0).then(|| at(minute / 10)),
        mfa: match random.below(3) {
            0 => MfaRecord::Unknown,
            enrolled => MfaRecord::Known((1..enrolled).map(|_| (MfaMethod::TOTP, at(minute))).collect()),
        },
        grants,
        ..sample.clone()
    }
}

impl Given {
    fn mail(&mut self, mail: &MailRecord) {
        let last = self.last_mails.entry(mail.address.clone()).or_insert(mail.at);
        *last = mail.at.max(*last);
        self.mails.extend(mail.recent.iter().map(|sent| (sent.namespace.clone(), sent.at, mail.address.clone())));
    }

    fn guest(&mut self, address: &Email, record: Option<GuestRecord>) {
        self.guests.remove(address);
        let Some(record) = record else { return };
        if let Some(at) = record.last_mail_at {
            self.mail(&MailRecord { address: address.clone(), at, recent: record.recent_mails.clone() });
        }
        for held in record.grants.values() {
            let (uid, account) = (held.grant.share_uid.clone(), held.grant.account.clone());
            let first = ShareRecord { uid: uid.clone(), partner_name: record.partner_name.clone(), account };
            self.shares.entry(uid).or_insert(first);
        }
        self.guests.insert(address.clone(), record);
    }

    fn holds(&self, share: &str) -> bool {
        self.guests.values().any(|guest| guest.grants.values().any(|held| held.grant.share_uid == share))
    }

    /// The addresses of the guests for which this holds.
    fn addresses(&self, fits: impl Fn(&GuestRecord) -> bool) -> Vec<&Email> {
        self.guests.values().filter(|guest| fits(guest)).map(|guest| &guest.address).collect()
    }

    fn is_answered_by(&self, cache: &DirectoryCache) {
        let all: Vec<&GuestRecord> = cache.guests().collect();
        assert_eq!(all, self.guests.values().collect::<Vec<_>>());
        assert_eq!(cache.live_count(), self.addresses(GuestRecord::is_live).len());
        let mut lost = BTreeMap::new();
        for guest in self.guests.values().filter(|guest| guest.is_live() && guest.login == Login::Enabled) {
            let enrolled = matches!(&guest.mfa, MfaRecord::Known(methods) if !methods.is_empty());
            if let Some(at) = guest.mfa_lost_at.filter(|_| !enrolled) {
                *lost.entry(at).or_insert(0) += 1;
            }
        }
        assert_eq!(cache.mfa_lost(), &lost);
        for guest in self.guests.values() {
            assert_eq!(cache.guest(&guest.address), Some(guest));
            assert_eq!(cache.guest_by_id(&guest.id), Some(guest));
        }
        assert_eq!(cache.guest_by_id(&GuestId("none".to_owned())), None);
        for partner in PARTNERS {
            let id = PartnerId(partner.to_owned());
            let found: Vec<_> = cache.guests_of(&id).map(|guest| &guest.address).collect();
            assert_eq!(found, self.addresses(|guest| guest.partner == id));
            assert_eq!(cache.partner(&id), self.partners.get(&id));
        }
        for share in SHARES {
            let found: Vec<_> = cache.holders(share).map(|guest| &guest.address).collect();
            let holds = |guest: &GuestRecord| guest.grants.values().any(|held| held.grant.share_uid == share);
            assert_eq!(found, self.addresses(holds));
            assert_eq!(cache.share(share), self.shares.get(share));
        }
        assert_eq!(cache.shares().collect::<Vec<_>>(), self.shares.values().collect::<Vec<_>>());
        for space in SPACES {
            for (partner, name) in PARTNERS.iter().flat_map(|partner| NAMES.map(|name| (*partner, name))) {
                let is_departed = |guest: &GuestRecord| {
                    let is_of = |mark: &OwnershipMark| mark.namespace == space && mark.name == name;
                    guest.mark.as_ref().is_some_and(is_of) && guest.partner_name == partner && !guest.is_live()
                };
                assert_eq!(cache.has_departed(space, partner, name), !self.addresses(is_departed).is_empty());
            }
            for name in PARTNERS {
                let named = |record: &&PartnerRecord| record.mark.namespace == space && record.mark.name == name;
                let expected: Vec<_> = self.partners.values().filter(named).collect();
                assert_eq!(cache.partners_named(space, name).collect::<Vec<_>>(), expected);
            }
            let of_space: Vec<_> = self.mails.iter().filter(|(of, ..)| of == space).map(|(_, at, _)| *at).collect();
            assert_eq!(cache.sent_count(space), of_space.len());
            for since in [Timestamp::MIN].iter().chain(&of_space) {
                let later: Vec<_> = of_space.iter().copied().filter(|at| at > since).collect();
                assert_eq!(cache.sent_after(space, *since).collect::<Vec<_>>(), later);
            }
        }
        assert_eq!(cache.sent_count("elsewhere"), 0);
        assert_eq!(cache.partners().collect::<Vec<_>>(), self.partners.values().collect::<Vec<_>>());
        assert_eq!(cache.accounts().collect::<Vec<_>>(), self.accounts.values().collect::<Vec<_>>());
        assert_eq!(cache.users().collect::<Vec<_>>(), self.users.values().collect::<Vec<_>>());
        for name in NAMES {
            let address = email(&format!("{name}@acme.example"));
            let owns = self.accounts.values().any(|account| account.owners.contains(&address));
            assert_eq!(cache.owns_any_account(&address), owns);
            assert_eq!(cache.user(&address), self.users.get(&address));
            assert_eq!(cache.last_mail(&address), self.last_mails.get(&address).copied());
        }
        for (name, account) in &self.accounts {
            assert_eq!(cache.account(name), Some(account));
        }
        assert_eq!(cache.purged(), &self.purged);
    }
}

/// A partner that still exists, or the record of a new one.
fn partner(random: &mut Random) -> PartnerRecord {
    let mut mark = mark(random);
    random.pick(&PARTNERS).clone_into(&mut mark.name);
    PartnerRecord {
        id: PartnerId(random.pick(&PARTNERS).to_owned()),
        mark,
        display_name: "Partner".to_owned(),
        host_admins: Vec::new(),
        suspended: random.below(2) == 0,
        deactivated_at: None,
        integrity: Integrity::Intact,
    }
}

fn change(random: &mut Random, sample: &GuestRecord, minute: usize, cache: &mut DirectoryCache, given: &mut Given) {
    let whose = address(random);
    match random.below(14) {
        0..=3 => {
            let mut record = (random.below(4) > 0).then(|| guest(random, sample, &whose, minute));
            // The record that the cache stores has the address of its key.
            cache.set_guest(&whose, record.clone());
            if let Some(record) = &mut record {
                record.address = whose.clone();
            }
            given.guest(&whose, record);
        }
        4 => {
            let mut effect = Applied::default();
            let mut new = guest(random, sample, &whose, minute);
            new.address = whose.clone();
            let gone = given.guests.values().nth(random.below(6)).cloned();
            effect.gone = gone.as_ref().map(|gone| gone.id.clone());
            effect.guest = (random.below(2) == 0).then(|| new.clone());
            effect.partner = (random.below(3) == 0).then(|| partner(random));
            effect.partner_gone = (random.below(3) == 0).then(|| PartnerId(random.pick(&PARTNERS).to_owned()));
            effect.share_gone = (random.below(3) == 0).then(|| random.pick(&SHARES).to_owned());
            effect.purged = (random.below(3) == 0).then(|| Purged::from([(at(minute), 2), (at(minute + 1), 1)]));
            cache.apply(&effect);
            if let Some(gone) = gone {
                given.guest(&gone.address.clone(), None);
            }
            if let Some(guest) = effect.guest {
                given.guest(&whose, Some(guest));
            }
            given.partners.extend(effect.partner.map(|partner| (partner.id.clone(), partner)));
            effect.partner_gone.map(|gone| given.partners.remove(&gone));
            effect.share_gone.map(|gone| given.shares.remove(&gone));
            for (minute, count) in effect.purged.into_iter().flatten() {
                let known = given.purged.entry(minute).or_default();
                *known = count.max(*known);
            }
        }
        5 => {
            let record = partner(random);
            let exists = random.below(3) > 0;
            cache.set_partner(&record.id, exists.then(|| record.clone()));
            given.partners.remove(&record.id);
            given.partners.extend(exists.then(|| (record.id.clone(), record)));
        }
        6 | 7 => {
            let name = format!("account-{}", random.below(3));
            let owners: BTreeSet<_> = (0..random.below(3)).map(|_| address(random)).collect();
            let record = AccountRecord { name: name.clone(), owners: owners.into_iter().collect(), deleted: false };
            let exists = random.below(3) > 0;
            cache.set_account(&name, exists.then(|| record.clone()));
            given.accounts.remove(&name);
            given.accounts.extend(exists.then_some((name, record)));
        }
        8 => {
            let record = UserRecord { email: whose.clone(), name: whose.to_string(), enabled: true, verified: true };
            let exists = random.below(3) > 0;
            cache.set_user(&whose, exists.then(|| record.clone()));
            given.users.remove(&whose);
            given.users.extend(exists.then_some((whose, record)));
        }
        9 => {
            let at = at(minute.saturating_sub(random.below(90)));
            let mail = MailRecord { address: whose, at, recent: sent(random, minute) };
            cache.set_mail(&mail);
            given.mail(&mail);
        }
        10 => {
            let listed: Vec<_> = SHARES[random.below(4)..]
                .iter()
                .map(|uid| ShareRecord {
                    uid: (*uid).to_owned(),
                    partner_name: random.pick(&PARTNERS).to_owned(),
                    account: "account-0".to_owned(),
                })
                .collect();
            cache.set_shares(listed.clone());
            let held: BTreeMap<_, _> = given.shares.clone().into_iter().filter(|(uid, _)| given.holds(uid)).collect();
            given.shares = held;
            given.shares.extend(listed.into_iter().map(|share| (share.uid.clone(), share)));
        }
        11 => {
            let purged: Purged =
                (0..3).map(|_| (at(minute + random.below(3)), 1 + u32::from(random.below(2) == 0))).collect();
            cache.set_purged(&purged);
            for (minute, count) in purged {
                let known = given.purged.entry(minute).or_default();
                *known = count.max(*known);
            }
        }
        _ => {
            let (mails, purged) = (at(minute.saturating_sub(90)), at(minute.saturating_sub(60)));
            cache.forget_before(mails, purged);
            given.last_mails.retain(|_, at| *at >= mails);
            given.mails.retain(|(_, at, _)| *at > purged);
            given.purged.retain(|at, _| *at > purged);
        }
    }
}

#[test]
fn cache_answers_as_a_list_of_its_records() {
    let mut random = Random::new(1);
    let (mut cache, mut given) = (DirectoryCache::default(), Given::default());
    let sample = sample();
    let mut most = 0;
    for minute in 0..CHANGES {
        change(&mut random, &sample, minute / 2, &mut cache, &mut given);
        given.is_answered_by(&cache);
        most = most.max(given.guests.len());
    }
    assert_eq!(most, NAMES.len());
}

/// A UID belongs to one live guest at a time: the deactivated ones that have it too are never found by it.
#[test]
fn guest_is_found_by_uid_only_while_live() {
    let sample = sample();
    let of = |name: &str, uid: &str, live: bool| {
        let address = email(&format!("{name}@acme.example"));
        let mark = OwnershipMark { uid: uid.to_owned(), ..OwnershipMark::default() };
        let deactivated_at = (!live).then(|| at(1));
        GuestRecord { id: GuestId(name.to_owned()), address, mark: Some(mark), deactivated_at, ..sample.clone() }
    };
    let mut cache = DirectoryCache::default();
    let found = |cache: &DirectoryCache, uid: &str| cache.live_by_uid(uid).map(|guest| guest.id.0.clone());
    for record in [of("bob", "1", true), of("carol", "1", false), of("dan", "2", true)] {
        cache.set_guest(&record.address.clone(), Some(record));
    }
    assert_eq!((found(&cache, "1"), found(&cache, "2")), (Some("bob".to_owned()), Some("dan".to_owned())));
    cache.set_guest(&email("carol@acme.example"), None);
    assert_eq!(found(&cache, "1"), Some("bob".to_owned()));
    cache.set_guest(&email("bob@acme.example"), Some(of("bob", "1", false)));
    assert_eq!((found(&cache, "1"), found(&cache, "3")), (None, None));
}

#[test]
fn first_instant_of_unknown_mfa_counts() {
    let (mut cache, bob) = (DirectoryCache::default(), email("bob@acme.example"));
    for (since, expected) in
        [(Some(at(1)), Some(at(1))), (Some(at(2)), Some(at(1))), (None, None), (Some(at(3)), Some(at(3)))]
    {
        cache.set_mfa_unknown_since(&bob, since);
        assert_eq!(cache.mfa_unknown_since(&bob), expected);
    }
    assert_eq!(cache.mfa_unknown_since(&email("carol@acme.example")), None);
}

/// Another guest may have the address by then.
#[test]
fn deleted_guest_is_found_neither_by_id_nor_by_uid() {
    let sample = sample();
    let bob = email("bob@acme.example");
    let of = |id: &str, uid: &str| {
        let mark = OwnershipMark { uid: uid.to_owned(), ..OwnershipMark::default() };
        GuestRecord { id: GuestId(id.to_owned()), mark: Some(mark), deactivated_at: None, ..sample.clone() }
    };
    let mut cache = DirectoryCache::default();
    cache.set_guest(&bob, Some(of("first", "1")));
    cache.set_guest(&bob, None);
    cache.set_guest(&bob, Some(of("second", "2")));
    let ids = ["first", "second"].map(|id| cache.guest_by_id(&GuestId(id.to_owned())).is_some());
    let uids = ["1", "2"].map(|uid| cache.live_by_uid(uid).is_some());
    assert_eq!((ids, uids), ([false, true], [false, true]));
}

/// At most 60 are remembered.
#[test]
fn latest_mails_of_the_last_hour_are_remembered() {
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    for interval in [1, 45, 60, 61, 3_599, 3_600] {
        let mut mails = Vec::new();
        for number in 0..200 {
            mails = SentMail::with(&mails, "partners", at(number * interval));
            let young = (0..=number).filter(|earlier| (number - earlier) * interval < 3_600);
            let young: Vec<_> = young.map(|earlier| at(earlier * interval)).collect();
            let kept: Vec<_> = mails.iter().map(|mail| mail.at).collect();
            assert_eq!(kept, young[young.len().saturating_sub(60)..], "every {interval} s, after {number}");
        }
    }
}
