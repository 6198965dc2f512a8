//! Times that the author of a file sets win no claim and evade no limit.

use super::folder::{Folder, PARTNER, guest};

const TIMES: [&str; 4] =
    ["1970-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "9998-12-31T00:00:00Z"];

fn said_at(text: &str, created: &str) -> String {
    text.replace("namespace: partners}", &format!("namespace: partners, creationTimestamp: '{created}'}}"))
}

/// The output of a plan, without the expiry of invitations.
fn planned(folder: &Folder) -> Vec<String> {
    let (_, plan) = folder.json(&["plan", "manifests"]);
    let words = |list: &str| {
        let all = plan[list].as_array().unwrap().clone();
        all.into_iter().map(|it| format!("{} {} {}", it["object"], it["operation"], it["reason"])).collect::<Vec<_>>()
    };
    [words("operations"), words("violations"), words("waits")].concat()
}

#[test]
fn creation_timestamps_in_files_win_no_claim_and_evade_no_limit() {
    let limited = PARTNER.replace("{hostAdmins:", "{guests: {maxGuests: 1, maxDuration: 48h}, hostAdmins:");
    let late = guest("zed", "GuestUser").replace("invitedBy:", "expiresAt: '2098-12-31T00:00:00Z', invitedBy:");
    let rival = guest("bob", "GuestUser").replace("name: bob,", "name: rival,");
    let folder = Folder::new();
    let declare = |times: [&str; 3]| {
        let [bob, other, zed] = times;
        let stamped = |text: &str, time: &str| if time.is_empty() { text.to_owned() } else { said_at(text, time) };
        let bob = stamped(&guest("bob", "GuestUser"), bob);
        folder.declare(&[limited.clone(), bob, stamped(&rival, other), stamped(&late, zed)].concat());
    };
    declare(["", "", ""]);
    let expected = planned(&folder);
    assert!(expected.iter().any(|line| line.contains("\"bob\"") && line.contains("invite_guest")), "{expected:?}");
    for word in ["AlreadyGuest", "ExpiryTooLong"] {
        assert!(expected.iter().any(|line| line.contains(word)), "{expected:?}");
    }
    for (number, time) in TIMES.into_iter().enumerate() {
        let another = TIMES[(number + 2) % TIMES.len()];
        for times in [[time, another, ""], [another, time, time], ["", time, another]] {
            declare(times);
            assert_eq!(planned(&folder), expected, "{times:?}");
        }
    }
}
