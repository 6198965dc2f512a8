//! The workspace policy: what the platform team, and nobody else, says of the workspace. Pure but for nothing: reading
//! the file is the shell's work.

/// The policy in force, and whether the file behind it can still be read.
#[derive(Clone, Debug, Default)]
pub struct Workspace {}

impl Workspace {
    /// Reads a policy file's text. The error says where and what.
    pub fn parse(text: &str) -> Result<Self, String> {
        unimplemented!("{text}")
    }
}
