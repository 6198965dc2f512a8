//! Changes of the workspace policy. A valid policy applies at once. While the policy is unreadable, the last valid one
//! stays, and nothing is granted.

use crate::engine::queue::QueueKey;
use crate::engine::{Engine, Priority};
use crate::workspace_policy::WorkspacePolicy;

impl Engine {
    pub(super) fn policy(&mut self, news: Result<Box<WorkspacePolicy>, String>) {
        match news {
            Ok(workspace) => {
                if workspace.installation() != self.owner.installation {
                    let problem = format!(
                        "the policy names installation {:?} now, this operator runs {:?}; restart it to change that",
                        workspace.installation(),
                        self.owner.installation
                    );
                    return self.policy_unreadable(problem);
                }
                self.health.problems.remove("PolicyUnreadable");
                if self.workspace != *workspace {
                    tracing::info!("the workspace policy changed; all objects are reconciled");
                    self.workspace = *workspace;
                    self.touch_all(Priority::Withhold);
                    self.queue.push(QueueKey::GarbageCollection, Priority::Resync);
                }
                self.report_wide_patterns();
            }
            Err(problem) => self.policy_unreadable(problem),
        }
    }

    fn policy_unreadable(&mut self, problem: String) {
        if self.health.problems.get("PolicyUnreadable") != Some(&problem) {
            tracing::error!(
                "PolicyUnreadable: {problem}; the last good policy stays in force and nothing new is granted"
            );
        }
        self.health.problems.insert("PolicyUnreadable", problem);
        if self.workspace.is_readable() {
            self.workspace.set_readable(false);
            self.touch_all(Priority::Live);
        }
    }
}
