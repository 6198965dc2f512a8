//! A real Keycloak for tests: started once a test binary from target/keycloak, on a port of its own on loopback, with an
//! empty database in memory; it ends with the process that started it.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The administrator of a server that lives as long as a test.
pub const ADMIN: &str = "admin";
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(240);

/// A running Keycloak.
pub struct Keycloak {
    /// Its address.
    pub base: String,
    /// Whatever it listens to ends with this pipe.
    child: Child,
    token: Mutex<Option<(String, Instant)>>,
}

fn home() -> PathBuf {
    let built = std::env::var_os("GUESTLIST_KEYCLOAK").map(PathBuf::from);
    built.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/keycloak/keycloak"))
}

/// The Java that it was built with.
fn java() -> String {
    let file = home().parent().unwrap().join("java");
    std::fs::read_to_string(file).unwrap_or_default().trim().to_owned()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program that ends when our end of its pipe closes, however this process ends. In a group of its own: who presses Ctrl-C
/// means us, and the shell has to be there to end it.
pub fn leashed(program: &Path) -> Command {
    let line = "\"$@\" </dev/null & server=$!; cat >/dev/null; kill $server; wait $server";
    let mut command = Command::new("sh");
    command.args(["-c", line, "sh"]).arg(program).stdin(Stdio::piped()).process_group(0);
    command
}

impl Keycloak {
    /// The one of this process.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Keycloak> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// Starts one.
    pub fn start() -> Self {
        let script = home().join("bin/kc.sh");
        assert!(script.exists(), "{} is missing: run `make keycloak` first", script.display());
        let port = free_port();
        let mut child = leashed(&script)
            .args(["start", "--optimized", "--http-enabled=true", "--http-host=127.0.0.1"])
            .arg(format!("--http-port={port}"))
            .arg(format!("--hostname=http://127.0.0.1:{port}"))
            .arg(format!("--http-management-port={}", free_port()))
            .args(["--http-management-host=127.0.0.1", "--log-level=WARN"])
            .env("JAVA_HOME", java())
            .env("KC_BOOTSTRAP_ADMIN_USERNAME", ADMIN)
            .env("KC_BOOTSTRAP_ADMIN_PASSWORD", ADMIN)
            .env("JAVA_OPTS_KC_HEAP", "-Xms192m -Xmx700m")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if std::env::var_os("GUESTLIST_KEYCLOAK_LOG").is_some() {
                    eprintln!("keycloak: {line}");
                }
            }
        });
        let server = Self { base: format!("http://127.0.0.1:{port}"), child, token: Mutex::default() };
        server.wait();
        server
    }

    fn wait(&self) {
        // On a thread of its own: whoever asks first may be in a runtime already.
        std::thread::scope(|scope| scope.spawn(|| self.poll()).join().unwrap());
    }

    fn poll(&self) {
        let began = Instant::now();
        loop {
            if block_on(async {
                reqwest::get(format!("{}/realms/master", self.base)).await.is_ok_and(|a| a.status() == 200)
            }) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "Keycloak did not start in {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// A token of the administrator. Keycloak takes its time to look at a password: one is used for a while.
    pub async fn admin_token(&self) -> String {
        let kept = self.token.lock().unwrap().clone();
        if let Some((token, _)) = kept.filter(|(_, since)| since.elapsed() < Duration::from_secs(30)) {
            return token;
        }
        let form = [("grant_type", "password"), ("client_id", "admin-cli"), ("username", ADMIN), ("password", ADMIN)];
        let url = format!("{}/realms/master/protocol/openid-connect/token", self.base);
        let answer: Value = reqwest::Client::new().post(url).form(&form).send().await.unwrap().json().await.unwrap();
        let token = answer["access_token"].as_str().expect("the administrator's token").to_owned();
        *self.token.lock().unwrap() = Some((token.clone(), Instant::now()));
        token
    }

    /// A call as the administrator, below /admin/realms.
    pub async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/admin/realms{path}", self.base);
        let mut request =
            reqwest::Client::new().request(method.parse().unwrap(), url).bearer_auth(self.admin_token().await);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    /// A realm of one's own, ready for guestlist: as `guestlist directory bootstrap` leaves it, as far as a directory needs.
    pub async fn realm(&self, name: &str, extra: Value) -> Realm<'_> {
        let attribute = |name: &str, many: bool| json!({"name": name, "permissions": {"view": ["admin"], "edit": ["admin"]}, "multivalued": many});
        let plain = |name: &str| {
            json!({"name": name, "permissions": {"view": ["admin", "user"], "edit": ["admin", "user"]},
                   "required": {"roles": ["user"]}})
        };
        let profile = json!({"attributes": [
            json!({"name": "username", "permissions": {"view": ["admin", "user"], "edit": ["admin", "user"]}}),
            plain("email"), plain("firstName"), plain("lastName"),
            attribute("guestlist.id", false), attribute("guestlist.installation", false),
            attribute("guestlist.address", false), attribute("guestlist.partner", false),
            attribute("guestlist.record", false), attribute("guestlist.grants", true),
            attribute("guestlist.accounts", true),
        ]});
        let mut realm = json!({
            "realm": name, "enabled": true, "organizationsEnabled": true,
            "adminEventsEnabled": true, "eventsEnabled": true,
            "actionTokenGeneratedByAdminLifespan": 315_360_000,
            "clients": [{"clientId": "guestlist", "secret": SECRET, "serviceAccountsEnabled": true, "publicClient": false,
                         "standardFlowEnabled": false, "directAccessGrantsEnabled": false}],
            "users": [{"username": "service-account-guestlist", "serviceAccountClientId": "guestlist", "enabled": true,
                       "clientRoles": {"realm-management": ["manage-organizations", "manage-users", "view-events"]}}],
            "components": {"org.keycloak.userprofile.UserProfileProvider": [
                {"providerId": "declarative-user-profile", "config": {"kc.user.profile.config": [profile.to_string()]}}]},
        });
        for (key, value) in extra.as_object().into_iter().flatten() {
            realm[key] = value.clone();
        }
        let (status, answer) = self.admin("POST", "", Some(realm)).await;
        assert_eq!(status, 201, "{answer}");
        Realm { server: self, name: name.to_owned() }
    }
}

impl Drop for Keycloak {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

/// The secret of the client `guestlist` in tests.
pub const SECRET: &str = "a secret of the tests";

/// A realm for one test.
pub struct Realm<'a> {
    pub server: &'a Keycloak,
    pub name: String,
}

impl Realm<'_> {
    /// As `--directory` wants it.
    pub fn address(&self) -> String {
        format!("keycloak:{}#{}", self.server.base, self.name)
    }

    /// A call as the administrator, below the realm.
    pub async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.server.admin(method, &format!("/{}{path}", self.name), body).await
    }
}

/// How many realms there are at once at most: more would only be in each other's way.
const AT_ONCE: usize = 2;
static REALMS: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// The right to have a realm, until it is dropped.
pub struct Turn(());

impl Turn {
    /// Waits for it.
    pub fn wait() -> Self {
        let realms = REALMS.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut realms =
            REALMS.1.wait_while(realms, |realms| *realms >= AT_ONCE).unwrap_or_else(PoisonError::into_inner);
        *realms += 1;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *REALMS.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        REALMS.1.notify_one();
    }
}

/// Runs a future to its end, on a runtime for it alone.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    drop(rustls::crypto::ring::default_provider().install_default());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The same on several threads, for what waits within.
pub fn multi<T>(future: impl Future<Output = T>) -> T {
    drop(rustls::crypto::ring::default_provider().install_default());
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}
