//! What each word means, why it exists and how to mend it: the one source of `guestlist explain` and of `docs/rules.md`.

use std::fmt::Write as _;

use super::Reason;

/// What sort of word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A rule: breaking it is a violation.
    Rule,
    /// A rule about something that may come: it waits.
    WaitingRule,
    /// A word that is not a rule.
    Word,
    /// A state of a guest, or of an object.
    State,
}

/// What a word means.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The word.
    pub reason: Reason,
    /// What sort of word.
    pub sort: Sort,
    /// Where it is said: `S` the API server (CEL), `A` the webhook (a later release), `R` the reconcile; for words the objects.
    pub said_by: &'static str,
    /// The rule, or what it means.
    pub meaning: &'static str,
    /// Why it exists.
    pub why: &'static str,
    /// How to mend it.
    pub mend: &'static str,
}

const fn rule(
    reason: Reason,
    said_by: &'static str,
    meaning: &'static str,
    why: &'static str,
    mend: &'static str,
) -> Entry {
    Entry { reason, sort: Sort::Rule, said_by, meaning, why, mend }
}

const fn waits(
    reason: Reason,
    said_by: &'static str,
    meaning: &'static str,
    why: &'static str,
    mend: &'static str,
) -> Entry {
    Entry { reason, sort: Sort::WaitingRule, said_by, meaning, why, mend }
}

const fn word(reason: Reason, said_by: &'static str, meaning: &'static str, mend: &'static str) -> Entry {
    Entry { reason, sort: Sort::Word, said_by, meaning, why: "", mend }
}

const fn state(reason: Reason, said_by: &'static str, meaning: &'static str, mend: &'static str) -> Entry {
    Entry { reason, sort: Sort::State, said_by, meaning, why: "", mend }
}

/// What a word means.
pub fn entry(reason: Reason) -> Entry {
    match reason {
        Reason::Unreadable => rule(
            reason,
            "R",
            "A stored object that does not fit the operator's types grants nothing new and takes nothing away.",
            "It was stored under another schema. Taking it for absent would remove people; believing half of it could grant too much.",
            "Correct the object (kubectl edit), or upgrade the operator to the CRDs' version.",
        ),
        Reason::InvalidValue => rule(
            reason,
            "S R",
            "Times, durations, percentages, roles, modes and numbers read as what they are, and a set holds each value once.",
            "A value that is guessed at can grant too much.",
            "Write it in the form that the message shows.",
        ),
        Reason::HostAdminRequired => rule(
            reason,
            "S R",
            "A partner names at least one Host Admin, and at most 32.",
            "Somebody of the host organization answers for the guests.",
            "Add the address of a workspace user to spec.hostAdmins.",
        ),
        Reason::HostAdminNotAllowedHere => rule(
            reason,
            "A R",
            "A namespace speaks only for the Host Admins that the workspace policy lists for it: in hostAdmins, sharedBy, and invitedBy. Nothing listed, nobody.",
            "Whoever can write in a namespace could otherwise name any employee and share his accounts with himself.",
            "Ask the platform team to list the Host Admin for this namespace in the workspace policy, or name one that it lists.",
        ),
        Reason::HostAdminNotFound => waits(
            reason,
            "R",
            "Each Host Admin is an enabled workspace user with a verified address. One who is not counts as absent; with none left the partner gives nothing.",
            "A person who left or never existed cannot answer for guests.",
            "Nothing, if he is about to come; otherwise name an existing user.",
        ),
        Reason::HostAdminIsGuest => rule(
            reason,
            "A R",
            "No Host Admin has the address of a live membership. Only that entry counts for nothing.",
            "A guest who runs a partner would share the host's accounts with himself.",
            "Name a workspace user, or remove the membership.",
        ),
        Reason::MfaCannotBeWaived => rule(
            reason,
            "S R",
            "No spec turns MFA off: mfa.required is true or left out.",
            "MFA before access is what guestlist is for.",
            "Remove the field, or write true.",
        ),
        Reason::MfaMethodNotAllowed => rule(
            reason,
            "S A R",
            "Methods are a non-empty subset of TOTP and WebAuthn; a membership or a share only narrows what its partner allows.",
            "Otherwise a share could weaken what the partner asks for.",
            "Name methods that the partner allows, or leave the list out.",
        ),
        Reason::MfaDeadlineTooLong => rule(
            reason,
            "S R",
            "enrolWithin is at most 720h.",
            "A guest who never enrols keeps an open login that nobody uses.",
            "Shorten it to 720h or less.",
        ),
        Reason::InvalidEmail => rule(
            reason,
            "S R",
            "An address is one mailbox in ASCII, local@domain: no quotes, brackets, display name, space or trailing dot, at most 254 characters. Compared in lower case; plus-tags are distinct.",
            "Two spellings of one mailbox would be two guests, and what mail systems read differently is a way around every other rule.",
            "Write it as bob@acme.example; an international domain as xn--…",
        ),
        Reason::HostDomain => rule(
            reason,
            "A R",
            "A guest's address is not on a corporate domain of the workspace, nor on the domain of a Host Admin of his partner, nor on a parent or subdomain of either.",
            "Employees are users of the workspace with their own accounts, not guests.",
            "Invite an address of the partner company.",
        ),
        Reason::DomainListsExclusive => rule(
            reason,
            "S R",
            "A partner has allowedDomains or deniedDomains, not both; a list is not empty, and its entries are plain lower-case domains.",
            "Which list wins would be a guess, and an empty list could mean all or none.",
            "Keep one list with at least one domain, or none.",
        ),
        Reason::DomainNotAllowed => rule(
            reason,
            "A R",
            "The address satisfies the partner's list: allowed domains are exact, denied ones cover subdomains. Tightened later, pending invitations are revoked and joined guests lose their grants; nobody is deactivated.",
            "The partner's terms say where its people come from.",
            "Use an address on an admitted domain, or change the partner's list.",
        ),
        Reason::IsWorkspaceUser => rule(
            reason,
            "A R",
            "A newcomer's address is not that of a Host Admin, of an account's Owner, or of a workspace user who is not up for adoption. The answer is the same whichever it is.",
            "A guest record over a user of the workspace could disable or remove him.",
            "Invite an outside address, or let the platform team allow adoption.",
        ),
        Reason::IdentityExists => rule(
            reason,
            "R",
            "The directory holds no identity for the address without guestlist's mark, unless adoption covers it.",
            "What guestlist did not make is not its to change.",
            "Remove the identity, or let workspace policy and partner adopt it.",
        ),
        Reason::AlreadyGuest => rule(
            reason,
            "A R",
            "There is one live membership per address in the workspace, whatever the partner or the namespace.",
            "Two memberships would fight over one person's access.",
            "Delete the other membership first; if you do not know it, ask the platform team.",
        ),
        Reason::QuotaExceeded => rule(
            reason,
            "A R",
            "A partner has at most guests.maxGuests live memberships. It refuses newcomers only; lowering it evicts nobody.",
            "The size of a partnership is agreed upon.",
            "Remove a membership, or raise maxGuests.",
        ),
        Reason::InviterNotAllowed => rule(
            reason,
            "A R",
            "invitedBy is a Host Admin of the partner or, for a Guest User, a Guest Admin of it. Asked for the first mail only.",
            "An invitation speaks in somebody's name.",
            "Name a Host Admin of the partner.",
        ),
        Reason::Immutable => rule(
            reason,
            "S R",
            "email, partnerRef and account never change on an object; they are compared also with what the directory recorded.",
            "Access would pass silently to another person, company or account.",
            "Delete the object and create a new one.",
        ),
        Reason::ExpiryTooLong => rule(
            reason,
            "A R",
            "expiresAt is at most guests.maxDuration after the membership's creation. Left out, it is that instant; a partner that lowers it caps existing guests.",
            "Guests are there for a time.",
            "Choose an earlier time, or raise maxDuration.",
        ),
        Reason::OwnerNeverShared => rule(
            reason,
            "S R",
            "The role Owner cannot be written in a share. In an override it costs that entry only.",
            "Ownership stays with the host organization.",
            "Write Manager or Collaborator.",
        ),
        Reason::ManagerNeedsGuestAdmin => rule(
            reason,
            "S A R",
            "Manager goes to Guest Admins only; a Guest User gets Collaborator at most, whichever way a spec asks for it.",
            "A Manager passes accounts on, and that takes somebody who answers for it.",
            "Make the guest a Guest Admin, or remove the role.",
        ),
        Reason::SharerNotHostAdmin => rule(
            reason,
            "A R",
            "sharedBy is a Host Admin of the partner.",
            "Only who runs the partner opens accounts to it.",
            "Let a Host Admin of the partner share, or add the sharer to hostAdmins.",
        ),
        Reason::SharerNotOwner => waits(
            reason,
            "R",
            "The sharer is an Owner of the account in the directory, now and for as long as the share lives; otherwise its grants are withheld, reversibly.",
            "Nobody shares what is not his. Ownership never moves the share to somebody who did not share it.",
            "Make the sharer an Owner again, or let an Owner be sharedBy.",
        ),
        Reason::NotAGuestOfPartner => rule(
            reason,
            "A R",
            "An entry of a share names a membership of the share's own partner, and where it pins an email, that membership's address. Only that entry counts for nothing.",
            "A name can be reused by another person.",
            "Name a membership of this partner, and correct the pin.",
        ),
        Reason::PropagationNeedsManager => rule(
            reason,
            "A R",
            "propagatedBy is a Guest Admin of the same partner, not excluded, and Manager of this share by spec, Active or not. Otherwise the entry gives nothing; nobody else takes it over.",
            "Somebody has to answer for each Guest User's access.",
            "Name a Guest Admin who is Manager here; the message names some.",
        ),
        Reason::DuplicateShare => rule(
            reason,
            "A R",
            "There is one share per partner and account.",
            "Two shares of one account would contradict each other.",
            "Put everything into one share and delete the other.",
        ),
        Reason::AccountNotFound => waits(
            reason,
            "R",
            "The account exists in the directory and belongs to somebody this namespace may speak for. An unknown and a foreign account get the same word.",
            "Whether a stranger's account exists is not a tenant's to know.",
            "Nothing, if the account is about to come; otherwise correct spec.account before creating the share anew.",
        ),
        Reason::PartnerNotFound => waits(
            reason,
            "R",
            "The partner exists. A partner that is gone: its guests' grants are withheld, nobody is deactivated.",
            "GitOps applies objects in any order.",
            "Apply the LocalPartner, in the same namespace.",
        ),
        Reason::Reconciled => {
            word(reason, "partners and shares, Ready", "The directory reflects the spec.", "Nothing to do.")
        }
        Reason::MembershipNotFound => word(
            reason,
            "a withheld entry of a share, GuestAdminPresent",
            "No such membership is there (yet). Nobody waits for it.",
            "Apply the membership, or remove the entry.",
        ),
        Reason::HostDomainsUnknown => word(
            reason,
            "a membership",
            "The workspace policy lists no corporate domains, so nobody is invited.",
            "The platform team lists domains in the workspace policy.",
        ),
        Reason::InviterNotActive => word(
            reason,
            "a membership",
            "Who invites is not there, or not Active yet.",
            "Nothing, if the inviter is about to join and turn MFA on; otherwise name a Host Admin.",
        ),
        Reason::MailInterval => word(
            reason,
            "a membership",
            "The last mail to this address is too recent; the next goes out by itself.",
            "Nothing. The interval is mailInterval in the workspace policy.",
        ),
        Reason::PartnerDeleting => word(
            reason,
            "a membership, a share",
            "The partner is on its way out, so nobody new is accepted.",
            "Create the partner anew once it is gone, or remove this object.",
        ),
        Reason::DeletionBlocked => word(
            reason,
            "a partner",
            "It was deleted with deletion: Block while memberships or shares exist.",
            "Delete them, or set spec.deletion to Cascade.",
        ),
        Reason::MfaNotEnrolled => word(
            reason,
            "a withheld grant, MFASatisfied",
            "The guest has joined and has no MFA method.",
            "The guest turns MFA on.",
        ),
        Reason::MfaMethodMissing => word(
            reason,
            "a withheld grant, MFASatisfied",
            "The guest has MFA, but none of the methods that this share or membership asks for.",
            "The guest enrols one of the methods, or the spec asks for others.",
        ),
        Reason::MfaUnknown => word(
            reason,
            "a withheld grant, MFASatisfied",
            "The directory cannot tell whether MFA is on. Nothing new is given, and after mfaUnknownMax access is withheld.",
            "Look at the directory's health.",
        ),
        Reason::MfaEnrolmentOverdue => word(
            reason,
            "a membership, Ready",
            "Suspended until MFA is on: it was not turned on within enrolWithin. The login stays open so that it can be.",
            "The guest turns MFA on.",
        ),
        Reason::DirectoryUnavailable => word(
            reason,
            "all",
            "The directory does not answer; what was true is kept.",
            "Look at the directory and at the operator's log.",
        ),
        Reason::Paused => word(
            reason,
            "all",
            "The annotation guestlist.dev/paused holds back what gives and what destroys; taking away goes on.",
            "Remove the annotation, here or on the partner.",
        ),
        Reason::AddressChanged => word(
            reason,
            "a membership",
            "The guest's address in the directory is no longer the one that was invited, so everything is withheld.",
            "Change the address back, or delete the membership and invite the new address.",
        ),
        Reason::Orphaned => word(
            reason,
            "log, metric",
            "A marked guest has no membership any more: his access is withheld, his record is left as it is.",
            "Apply the manifest again; the record passes on to it. Or give the mark back with guestlist release --orphans.",
        ),
        Reason::TooManyOrphans => word(
            reason,
            "log, readiness",
            "More than three marked guests, and more than a quarter of all, have no membership; they are left as they are.",
            "Find out where the objects went and restore them. Or give the marks back with guestlist release --orphans.",
        ),
        Reason::ForeignDirectory => word(
            reason,
            "log, readiness",
            "The directory belongs to another installation or cluster; the operator stops before it touches anything.",
            "Use a directory of its own, correct the installation's name in the workspace policy, or take this one over with guestlist release --take-over.",
        ),
        Reason::PolicyUnreadable => word(
            reason,
            "log, readiness",
            "The workspace policy file cannot be read; the last good one stays in force and nothing new is given.",
            "Mend the file; the log says where.",
        ),
        Reason::Removing => state(
            reason,
            "all",
            "It is being deleted, or its partner is with Cascade; access is withheld already.",
            "Nothing to do.",
        ),
        Reason::Rejected => state(
            reason,
            "a membership",
            "A rule is broken; see status.violations.",
            "Mend the spec; it heals without any other step.",
        ),
        Reason::Pending => state(
            reason,
            "a membership",
            "It waits and was never accepted; nothing has been sent.",
            "See the condition Ready for what it waits for.",
        ),
        Reason::Suspended => state(
            reason,
            "a membership",
            "By its own spec or its partner's: everything is withheld and the login is off.",
            "Set suspended to false.",
        ),
        Reason::Expired => state(
            reason,
            "a membership, a share",
            "Its end has passed: everything is withheld. Extending it revives it.",
            "Set a later expiresAt.",
        ),
        Reason::InvitationExpired => state(
            reason,
            "a membership",
            "The invitation was not accepted in time.",
            "Set the annotation guestlist.dev/resend-invitation to the current time.",
        ),
        Reason::Invited => state(
            reason,
            "a membership",
            "The invitation is out and has not been accepted yet.",
            "The guest follows the link in the mail.",
        ),
        Reason::Joined => state(
            reason,
            "a membership",
            "The guest may log in to the workspace and has no account access yet.",
            "The guest turns MFA on.",
        ),
        Reason::Active => state(reason, "a membership", "The guest has joined and turned MFA on.", "Nothing to do."),
    }
}

/// What `guestlist explain REASON` prints.
pub fn explain(reason: Reason) -> String {
    let Entry { reason, sort, said_by, meaning, why, mend } = entry(reason);
    let sort = match sort {
        Sort::Rule => "a rule",
        Sort::WaitingRule => "a rule that waits: it heals when what is missing comes",
        Sort::Word => "a word that is not a rule",
        Sort::State => "a state",
    };
    let mut text = format!("{reason} ({sort})\n\n  {meaning}\n");
    if !why.is_empty() {
        let _ = write!(text, "\nWhy it exists\n  {why}\n");
    }
    let _ = write!(text, "\nHow to mend it\n  {mend}\n\nWhere it is said\n  {}\n", doors(said_by));
    text
}

/// The doors in words.
fn doors(said_by: &str) -> String {
    let door = |letter: &str| match letter {
        "S" => Some("the API server (CEL in the CRD)"),
        "A" => Some("the admission webhook (a later release)"),
        "R" => Some("the operator's reconcile"),
        _ => None,
    };
    match said_by.split(' ').map(door).collect::<Option<Vec<_>>>() {
        Some(doors) => format!("{}, and guestlist check where files can tell", doors.join(", ")),
        None => said_by.to_owned(),
    }
}

/// `docs/rules.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "<!-- Generated from src/rules/table.rs by `make generate`; do not edit. -->\n\n# Rules and words\n\nEvery refusal, condition and diagnostic says one word of this list. Where several rules are broken, the first in this\norder names the condition, and all are listed in `status.violations`. `guestlist explain WORD` prints each.\n\nDoors: **S** the API server (CEL in the CRD), **A** the admission webhook (a later release), **R** the reconcile, which\nis the final authority. `guestlist check` judges whatever files can tell.\n\n## Rules\n\n| word | doors | rule | why | how to mend it |\n|---|---|---|---|---|\n",
    );
    let rows = |text: &mut String, wanted: &dyn Fn(Sort) -> bool, why: bool| {
        for entry in Reason::ALL.iter().map(|reason| entry(*reason)).filter(|entry| wanted(entry.sort)) {
            let waits = if entry.sort == Sort::WaitingRule { " *Waits.*" } else { "" };
            let why = if why { format!(" {} |", entry.why) } else { String::new() };
            let _ = writeln!(
                text,
                "| `{}` | {} | {}{waits} |{why} {} |",
                entry.reason, entry.said_by, entry.meaning, entry.mend
            );
        }
    };
    rows(&mut text, &|sort| matches!(sort, Sort::Rule | Sort::WaitingRule), true);
    text.push_str("\n## Words that are not rules\n\n| word | said by | meaning | what to do |\n|---|---|---|---|\n");
    rows(&mut text, &|sort| sort == Sort::Word, false);
    text.push_str("\n## States\n\n| word | said by | meaning | what to do |\n|---|---|---|---|\n");
    rows(&mut text, &|sort| sort == Sort::State, false);
    text
}
