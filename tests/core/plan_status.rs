//! Statuses with more entries than they list: the lists are cut, and the counts are not.

use crate::support::in_memory::World;

/// The most entries that a status lists.
const LISTED: usize = 50;
const LISTED_ACCOUNTS: usize = 100;

#[test]
fn long_lists_are_cut_and_their_counts_are_whole() {
    let mut world = World::new();
    world.partner("acme", "hostAdmins: [alice@host.example]");
    world.member("carol", "GuestAdmin", "");
    for number in 0..LISTED_ACCOUNTS {
        world.share(&format!("account-{number:03}"), "");
    }
    let entry = |number: usize| format!("{{name: user-{number:03}, propagatedBy: carol, role: Manager}}");
    let entries: Vec<String> = (0..=LISTED).map(entry).collect();
    world.share("instagram", &format!("guestUsers: [{}]", entries.join(", ")));
    world.settle();
    let member = world.membership_status("carol");
    assert_eq!((member.accounts.len(), member.account_count), (LISTED_ACCOUNTS, Some(101)));
    // Each entry has two violations: the role, and a guest that does not exist.
    let share = world.share_status("instagram");
    assert_eq!((share.violations.len(), share.violation_count), (LISTED, Some(102)));
    let grants = share.grants.unwrap();
    assert_eq!((share.withheld.len(), grants.withheld, grants.effective), (LISTED, 52, 0));
    assert_eq!(grants.summary, "0/52");
}
