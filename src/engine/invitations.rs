//! The queue of memberships that wait to send an invitation, because their namespace has reached its limit: see
//! [`crate::plan::invitations`].

use crate::cache::ObjectRef;
use crate::directory::{GuestChange, Operation};
use crate::engine::{Engine, Failure, Priority};
use crate::plan::Plan;

impl Engine {
    /// Records the effect of a plan on invitations: it sends one, waits for its turn, or neither.
    pub(super) fn record_invitation(&mut self, key: &ObjectRef, plan: &Plan) {
        let is_mail = |operation: &Operation| {
            matches!(
                operation,
                Operation::Guest { change: GuestChange::Invite(_) | GuestChange::ResendInvitation { .. }, .. }
            )
        };
        if plan.steps.iter().any(|step| is_mail(&step.operation)) {
            self.invitations.send(key);
        } else if plan.waits_for_turn {
            self.invitations.end(key);
            self.invitations.wait(key);
        } else {
            self.sends_nothing(key);
        }
    }

    /// Records that an object does not wait for its turn, and has no invitation to send. The next memberships move up.
    pub(super) fn sends_nothing(&mut self, key: &ObjectRef) {
        if self.invitations.leave(key) || self.invitations.end(key) {
            self.next_turns(key);
        }
    }

    /// Handles a failed task. If it was to send an invitation, the next membership gets its turn. The exception is an
    /// invitation that may have been sent, because the directory did not answer. A task that succeeded is planned again
    /// at once, which releases its turn.
    pub(super) fn failed_to_send(&mut self, key: &ObjectRef, failure: &Failure) {
        let may_have_gone_out =
            matches!(failure, Failure::OperationFailed(..) | Failure::Unwritable(..) | Failure::Panicked(_));
        if !may_have_gone_out && self.invitations.end(key) {
            self.next_turns(key);
        }
    }

    /// Queues the waiting memberships whose turn may come earlier: those that the limit lets through within the hour.
    fn next_turns(&mut self, key: &ObjectRef) {
        for next in self.invitations.first(&key.namespace, self.workspace.invitations_per_hour) {
            self.queue.push(next, Priority::Live);
        }
    }
}
