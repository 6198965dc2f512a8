//! A folder with manifests, a policy and a directory, and helpers that run commands in it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub const POLICY: &str = "
installation: test
domains: [host.example]
tenants:
- {namespace: partners, hostAdmins: ['*@host.example']}
mailInterval: 0s
invitationsPerHour: 100000
purge: {after: 24h, perHour: 100%}
";

pub const PEOPLE: &str = "
users:
- {email: alice@host.example, name: Alice}
- {email: dan@host.example, name: Dan}
accounts:
- {name: instagram, owners: [alice@host.example]}
- {name: tiktok, owners: [dan@host.example]}
";

pub const PARTNER: &str = "
---
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {hostAdmins: [alice@host.example, dan@host.example]}
";

pub const SHARE: &str = "
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: instagram, namespace: partners}
spec:
  partnerRef: {name: acme}
  account: instagram
  sharedBy: alice@host.example
  guestAdminRole: Manager
  guestUsers: [{name: bob, propagatedBy: carol}]
";

pub const CAROL: &str = "carol@acme.example";
pub const BOB: &str = "bob@acme.example";

/// A membership's manifest.
pub fn guest(name: &str, role: &str) -> String {
    format!(
        "
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {{name: {name}, namespace: partners}}
spec: {{partnerRef: {{name: acme}}, email: {name}@acme.example, role: {role}, invitedBy: alice@host.example}}
"
    )
}

/// A partner, a Guest Admin, a Guest User and a share.
pub fn manifests() -> String {
    [SHARE, &guest("bob", "GuestUser"), &guest("carol", "GuestAdmin"), PARTNER].concat()
}

pub struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with these people and this policy.
    pub fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("workspace.yaml", POLICY);
        folder.write("people.yaml", PEOPLE);
        folder.ok(&["directory", "import", "people.yaml"]);
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The manifests that `plan` and `apply` read.
    pub fn declare(&self, text: &str) {
        self.write("manifests/all.yaml", text);
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_guestlist"));
        command
            .current_dir(self.0.path())
            .env("GUESTLIST_DIRECTORY", "sqlite:directory.db")
            .env("GUESTLIST_WORKSPACE", "workspace.yaml")
            .args(args)
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs `guestlist`, and asserts success. Returns the standard output.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let (code, said) = self.says(args);
        assert_eq!(code, 0, "{args:?}: {said}");
        said
    }

    /// Runs `guestlist`. Returns the exit code and both outputs.
    pub fn says(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    /// Runs `guestlist`. Returns the exit code and the JSON output.
    pub fn json(&self, args: &[&str]) -> (i32, Value) {
        let output = self.run(&[args, &["-o", "json"]].concat());
        let value = serde_json::from_slice(&output.stdout);
        (output.status.code().unwrap(), value.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
    }

    pub fn plan(&self) -> (i32, String) {
        self.says(&["plan", "manifests"])
    }

    #[track_caller]
    pub fn apply(&self) -> String {
        self.ok(&["apply", "manifests", "--yes"])
    }

    #[track_caller]
    pub fn joins_with_mfa(&self, email: &str) {
        self.ok(&["directory", "accept", email]);
        self.ok(&["directory", "enroll-mfa", email]);
    }

    /// The folder above, with both guests Active.
    pub fn settled() -> Self {
        let folder = Self::new();
        folder.declare(&manifests());
        folder.apply();
        folder.joins_with_mfa(CAROL);
        folder.joins_with_mfa(BOB);
        folder.apply();
        folder
    }

    pub fn show(&self) -> Value {
        serde_json::from_str(&self.ok(&["directory", "show", "-o", "json"])).unwrap()
    }

    /// The effective access of all guests, as `address account:role`.
    pub fn access(&self) -> Vec<String> {
        let show = self.show();
        let mut seen = Vec::new();
        for guest in show["guests"].as_array().unwrap() {
            for grant in guest["grants"].as_array().unwrap().iter().filter(|grant| grant["effective"] == true) {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                seen.push(format!("{} {}:{}", text(&guest["email"]), text(&grant["account"]), text(&grant["role"])));
            }
        }
        seen.sort();
        seen
    }

    /// The addresses of a list of `directory show`.
    pub fn addresses(&self, list: &str) -> Vec<String> {
        let all = self.show()[list].as_array().unwrap().clone();
        all.iter().map(|entry| entry["email"].as_str().unwrap().to_owned()).collect()
    }

    /// Every row of the directory's file. Its bytes may differ, because the last connection to close checkpoints the
    /// log.
    pub fn content(&self) -> String {
        let connection = rusqlite::Connection::open(self.path("directory.db")).unwrap();
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        let tables: Vec<String> =
            connection.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let mut all = String::new();
        for table in tables {
            let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let values = (0..columns).map(|at| format!("{:?}", row.get::<_, rusqlite::types::Value>(at).unwrap()));
                all += &format!("{table} {}\n", values.collect::<Vec<_>>().join(" "));
            }
        }
        all
    }
}
