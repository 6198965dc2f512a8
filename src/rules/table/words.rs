//! The words that are not rules, and the states.

use super::{Entry, state, word};
use crate::rules::Reason;

/// What each word means.
pub(super) const WORDS: &[Entry] = &[
    word(Reason::Reconciled, "partners and shares, Ready", "The directory reflects the spec.", "Nothing to do.", ""),
    word(
        Reason::MembershipNotFound,
        "a withheld entry of a share, GuestAdminPresent",
        "No such membership is there (yet). Nobody waits for it.",
        "Apply the membership, or remove the entry.",
        "kubectl get gm --namespace partners",
    ),
    word(
        Reason::HostDomainsUnknown,
        "a membership",
        "The workspace policy lists no corporate domains, so nobody is invited.",
        "The platform team lists domains in the workspace policy.",
        "domains: [host.example]",
    ),
    word(
        Reason::InviterNotActive,
        "a membership",
        "Who invites is not there, or not Active yet.",
        "Nothing, if the inviter is about to join and turn MFA on; otherwise name a Host Admin.",
        "kubectl get gm --namespace partners --field-selector spec.role=GuestAdmin",
    ),
    word(
        Reason::MailInterval,
        "a membership",
        "The last mail to this address is too recent; the next goes out when the policy's mailInterval has passed.",
        "Nothing, where an operator runs; from files, run apply again then.",
        "mailInterval: 10m",
    ),
    word(
        Reason::PartnerDeleting,
        "a membership, a share",
        "The partner is on its way out, so nobody new is accepted.",
        "Create the partner anew once it is gone, or remove this object.",
        "kubectl get lp acme --namespace partners",
    ),
    word(
        Reason::DeletionBlocked,
        "a partner",
        "It was deleted with deletion: Block while memberships or shares exist.",
        "Delete them, or set spec.deletion to Cascade.",
        "kubectl patch lp acme --namespace partners --type=merge --patch '{\"spec\": {\"deletion\": \"Cascade\"}}'",
    ),
    word(
        Reason::MfaNotEnrolled,
        "a withheld grant, MFASatisfied",
        "The guest has joined and has no MFA method.",
        "The guest turns MFA on.",
        "",
    ),
    word(
        Reason::MfaMethodMissing,
        "a withheld grant, MFASatisfied",
        "The guest has MFA, but none of the methods that this share or membership asks for.",
        "The guest enrols one of the methods, or the spec asks for others.",
        "kind: AccountShare\nspec: {mfa: {methods: [TOTP, WebAuthn]}}",
    ),
    word(
        Reason::MfaUnknown,
        "a withheld grant, MFASatisfied",
        "The directory cannot tell whether MFA is on. Nothing new is given, and after mfaUnknownMax access is withheld.",
        "Look at the directory's health.",
        "mfaUnknownMax: 24h",
    ),
    word(
        Reason::MfaEnrolmentOverdue,
        "a membership, Ready",
        "Suspended until MFA is on: it was not turned on within enrolWithin. The login stays open so that it can be.",
        "The guest turns MFA on, or the partner gives more time.",
        "kind: LocalPartner\nspec: {mfa: {enrolWithin: 336h}}",
    ),
    word(
        Reason::DirectoryUnavailable,
        "all",
        "The directory does not answer; what was true is kept.",
        "Look at the directory and at the operator's log.",
        "",
    ),
    word(
        Reason::Paused,
        "all",
        "The annotation guestlist.dev/paused holds back what gives and what destroys; taking away goes on.",
        "Remove the annotation, here or on the partner.",
        "kubectl annotate lp acme --namespace partners guestlist.dev/paused-",
    ),
    word(
        Reason::AddressChanged,
        "a membership",
        "The guest's address in the directory is no longer the one that was invited, so everything is withheld.",
        "Change the address back, or delete the membership and invite the new address.",
        "",
    ),
    word(
        Reason::Orphaned,
        "log, metric",
        "A marked guest has no membership any more: his access is withheld, his record is left as it is.",
        "Apply the manifest again; the record passes on to it. Only if he is never to be a guest again, give the mark back with guestlist release --orphans: he is a workspace user like any other then.",
        "",
    ),
    word(
        Reason::TooManyOrphans,
        "log, readiness",
        "More than three marked guests, and more than a quarter of all, have no membership; they are left as they are, and so are partners that nothing declares.",
        "Find out where the objects went and restore them. Only if they are gone for good, give the marks back with guestlist release --orphans; from files, let them go with --max-removals.",
        "",
    ),
    word(
        Reason::ForeignDirectory,
        "log, readiness",
        "The directory belongs to another installation or cluster; the operator stops before it touches anything.",
        "Use a directory of its own, correct the installation's name in the workspace policy, or take this one over with guestlist release --take-over.",
        "installation: prod-eu",
    ),
    word(
        Reason::PolicyUnreadable,
        "log, readiness",
        "The workspace policy file cannot be read; the last good one stays in force and nothing new is given.",
        "Mend the file; the log says where.",
        "",
    ),
];

/// What each state means.
pub(super) const STATES: &[Entry] = &[
    state(
        Reason::Removing,
        "all",
        "It is being deleted, or its partner is with Cascade; access is withheld already.",
        "Nothing to do.",
        "",
    ),
    state(
        Reason::Rejected,
        "a membership",
        "A rule is broken; see status.violations.",
        "Mend the spec; it heals without any other step.",
        "kubectl get gm bob --namespace partners --output jsonpath='{.status.violations}'",
    ),
    state(
        Reason::Pending,
        "a membership",
        "It waits and was never accepted; nothing has been sent.",
        "See the condition Ready for what it waits for.",
        "kubectl describe gm bob --namespace partners",
    ),
    state(
        Reason::Suspended,
        "a membership",
        "By its own spec or its partner's: everything is withheld and the login is off. Or MFA is overdue (MfaEnrolmentOverdue): then the login stays open.",
        "Set suspended to false, here or on the partner.",
        "kubectl patch gm bob --namespace partners --type=merge --patch '{\"spec\": {\"suspended\": false}}'",
    ),
    state(
        Reason::Expired,
        "a membership, a share",
        "Its end has passed: everything is withheld. Extending it revives it.",
        "Set a later expiresAt.",
        "kind: GuestMembership\nspec: {expiresAt: \"2037-06-30T00:00:00Z\"}",
    ),
    state(
        Reason::InvitationExpired,
        "a membership",
        "The invitation was not accepted in time.",
        "Set the annotation guestlist.dev/resend-invitation to the current time.",
        "kubectl annotate gm bob --namespace partners --overwrite guestlist.dev/resend-invitation=$(date -u +%Y-%m-%dT%H:%M:%SZ)",
    ),
    state(
        Reason::Invited,
        "a membership",
        "The invitation is out and has not been accepted yet.",
        "The guest follows the link in the mail.",
        "",
    ),
    state(
        Reason::Joined,
        "a membership",
        "The guest may log in to the workspace and has no account access yet.",
        "The guest turns MFA on.",
        "",
    ),
    state(Reason::Active, "a membership", "The guest has joined and turned MFA on.", "Nothing to do.", ""),
];
