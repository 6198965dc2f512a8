//! `guestlist apply` as a process: its duration, its memory and its calls.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::{ADMIN, Realm, SECRET};

const POLICY: &str = "installation: bench\ndomains: [host.example]\nmailInterval: 0s\ninvitationsPerHour: 1000000\ntenants:\n- {namespace: default, hostAdmins: ['*@host.example']}\n";

/// The manifests and their directory.
pub struct Work {
    folder: tempfile::TempDir,
    address: String,
}

/// The measurements of a run.
pub struct Run {
    pub took: Duration,
    /// In MB.
    pub memory: f64,
    calls: BTreeMap<String, u64>,
}

impl Work {
    pub fn new(realm: &Realm<'_>, guests: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::from(
            "apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {name: acme}\nspec: {hostAdmins: [alice@host.example]}\n",
        );
        let mut propagated = String::new();
        for n in 0..guests {
            let role = if n == 0 { "GuestAdmin" } else { "GuestUser" };
            write!(
                text,
                "---\napiVersion: guestlist.dev/v1alpha1\nkind: GuestMembership\nmetadata: {{name: guest-{n}}}\nspec: {{partnerRef: {{name: acme}}, \
                 email: guest-{n}@acme.example, role: {role}, invitedBy: alice@host.example}}\n"
            )
            .unwrap();
            if n > 0 {
                writeln!(propagated, "  - {{name: guest-{n}, propagatedBy: guest-0}}").unwrap();
            }
        }
        for account in ["one", "two"] {
            write!(
                text,
                "---\napiVersion: guestlist.dev/v1alpha1\nkind: AccountShare\nmetadata: {{name: {account}}}\nspec:\n  partnerRef: {{name: acme}}\n  \
                 account: {account}\n  sharedBy: alice@host.example\n  guestAdminRole: Manager\n  guestUsers:\n{propagated}"
            )
            .unwrap();
        }
        std::fs::write(folder.path().join("objects.yaml"), text).unwrap();
        std::fs::write(folder.path().join("workspace.txt"), POLICY).unwrap();
        std::fs::write(
            folder.path().join("people.txt"),
            "users:\n- {email: alice@host.example, name: Alice Example}\naccounts:\n- {name: one, owners: [alice@host.example]}\n- {name: two, owners: [alice@host.example]}\n",
        )
        .unwrap();
        let work = Self { folder, address: realm.address() };
        // The realm has the protections of one in use.
        for command in [&["directory", "setup"][..], &["directory", "import", "--users", "people.txt"]] {
            let done = work.command(command).env("GUESTLIST_KEYCLOAK_ADMIN_PASSWORD", ADMIN).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
        work
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_guestlist"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("GUESTLIST_DIRECTORY", &self.address)
            .env("GUESTLIST_KEYCLOAK_CLIENT_SECRET", SECRET);
        command
    }

    pub fn apply(&self) -> Run {
        let mut command = self.command(&[
            "apply",
            "objects.yaml",
            "--workspace",
            "workspace.txt",
            "-n",
            "default",
            "--yes",
            "-o",
            "json",
        ]);
        let began = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || std::io::read_to_string(out).unwrap());
        let mut memory: f64 = 0.0;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            memory = memory.max(peak(child.id()));
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = began.elapsed();
        let said = reader.join().unwrap();
        assert!(status.success(), "{said}");
        let said: Value = serde_json::from_str(&said).unwrap();
        Run { took, memory, calls: serde_json::from_value(said["calls"].clone()).unwrap() }
    }
}

/// The peak resident memory of a process, in MB.
fn peak(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).map_or(0.0, |kib| kib.parse::<f64>().unwrap() / 1024.0)
}

impl Run {
    pub fn calls(&self) -> u64 {
        self.calls.values().sum()
    }

    /// The number of writes. The POST for a token is not counted, because it changes nothing.
    pub fn writes(&self) -> u64 {
        let writes = self.calls.iter().filter(|(name, _)| !name.starts_with("GET") && !name.contains("token"));
        writes.map(|(_, count)| count).sum()
    }

    pub fn print(&self) {
        for (endpoint, count) in &self.calls {
            println!("    {count:>6} {endpoint}");
        }
    }
}
