//! A real Keycloak for tests. Each test binary starts it once from target/keycloak, on its own loopback port, with an
//! empty database in memory. It ends with its parent process. Each test has its own realm in it, and at most two realms
//! exist at a time.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The administrator of the server.
pub const ADMIN: &str = "admin";
/// Timeout for the start.
const START_TIMEOUT: Duration = Duration::from_mins(4);

/// A running Keycloak.
pub struct Keycloak {
    /// Its address.
    pub base: String,
    port: u16,
    /// The folder of the database while the server is stopped. `None`: the database is in memory.
    database: Option<PathBuf>,
    /// The process ends when its pipe closes.
    child: Mutex<Option<Child>>,
    token: Mutex<Option<(String, Instant)>>,
}

fn home() -> PathBuf {
    let built = std::env::var_os("GUESTLIST_KEYCLOAK").map(PathBuf::from);
    built.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/keycloak/keycloak"))
}

/// The Java installation of its build.
fn java() -> String {
    let file = home().parent().unwrap().join("java");
    std::fs::read_to_string(file).unwrap_or_default().trim().to_owned()
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program that ends when this process closes its pipe, for example at its own end. It has its own process group,
/// because Ctrl-C must reach only this process: the program's shell has to stay to end it.
pub fn leashed(program: &Path) -> Command {
    let line = "\"$@\" </dev/null & server=$!; cat >/dev/null; kill $server; wait $server";
    let mut command = Command::new("sh");
    command.args(["-c", line, "sh"]).arg(program).stdin(Stdio::piped()).process_group(0);
    command
}

impl Keycloak {
    /// The shared server of this process.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Keycloak> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// Starts a server.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts a server with its database in a folder, where it survives a stop.
    pub fn start_in(folder: &Path) -> Self {
        Self::start_with(Some(folder.join("keycloak")))
    }

    fn start_with(database: Option<PathBuf>) -> Self {
        let port = free_port();
        let base = format!("http://127.0.0.1:{port}");
        let server = Self { base, port, database, child: Mutex::default(), token: Mutex::default() };
        server.go_on();
        server
    }

    /// Starts the server, also after a stop.
    pub fn go_on(&self) {
        let script = home().join("bin/kc.sh");
        assert!(script.exists(), "{} is missing: run `make keycloak` first", script.display());
        let mut command = leashed(&script);
        command
            .args(["start", "--optimized", "--http-enabled=true", "--http-host=127.0.0.1"])
            .arg(format!("--http-port={}", self.port))
            .arg(format!("--hostname={}", self.base))
            .arg(format!("--http-management-port={}", free_port()))
            .args(["--http-management-host=127.0.0.1", "--log-level=WARN"])
            // A single node: it neither searches for others nor listens to them.
            .arg("--cache=local")
            .env("JAVA_HOME", java())
            .env("KC_BOOTSTRAP_ADMIN_USERNAME", ADMIN)
            .env("KC_BOOTSTRAP_ADMIN_PASSWORD", ADMIN)
            .env("JAVA_OPTS_KC_HEAP", "-Xms600m -Xmx1400m -Xmn400m")
            // On two processors the concurrent collector delays the server (measured: a tenth of the time). The second
            // compiler never pays in minutes: without it a start takes 20 s of processor time instead of 43 s, and
            // realms cost the same after it.
            .env("JAVA_OPTS_APPEND", "-XX:-UseG1GC -XX:+UseSerialGC -XX:TieredStopAtLevel=1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(file) = &self.database {
            // The image is built for H2, in memory or in a file.
            command.arg(format!("--db-url=jdbc:h2:file:{};NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=FALSE", file.display()));
        }
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if std::env::var_os("GUESTLIST_KEYCLOAK_LOG").is_some() {
                    eprintln!("keycloak: {line}");
                }
            }
        });
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        self.wait();
    }

    /// Stops the server: connections are refused.
    pub fn stop(&self) {
        if let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() {
            drop(child.stdin.take());
            drop(child.wait());
        }
    }

    fn wait(&self) {
        let url = format!("{}/realms/master", self.base);
        let began = Instant::now();
        while apart(|| async { reqwest::get(&url).await.is_ok_and(|answer| answer.status() == 200) }) != Some(true) {
            assert!(began.elapsed() < START_TIMEOUT, "Keycloak did not start in {START_TIMEOUT:?}");
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// An administrator's token. It is reused for a while, because Keycloak hashes passwords slowly.
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

    /// A new realm, set up like `guestlist directory setup` does, as far as the directory needs it.
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
            attribute("guestlist.accounts", true), attribute("guestlist.methods", false),
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
        let (status, answer) = self.admin("POST", "", Some(thrifty(realm))).await;
        assert_eq!(status, 201, "{answer}");
        Realm { server: self, name: name.to_owned() }
    }
}

/// A realm without its two RSA keys and without slow password hashing: together they cost a third of the server's time
/// in these tests.
pub fn thrifty(mut realm: Value) -> Value {
    let key = |provider: &str, name: &str, value: &str| {
        let config = json!({"priority": ["100"], name: [value]});
        json!({"name": provider, "providerId": provider, "config": config})
    };
    realm["components"]["org.keycloak.keys.KeyProvider"] = json!([
        key("ecdsa-generated", "ecdsaEllipticCurveKey", "P-256"),
        key("hmac-generated", "algorithm", "HS512"),
        key("aes-generated", "secretSize", "16"),
    ]);
    realm["defaultSignatureAlgorithm"] = json!("ES256");
    realm["passwordPolicy"] = json!("hashAlgorithm(pbkdf2-sha256) and hashIterations(1)");
    realm
}

impl Drop for Keycloak {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The secret of the client `guestlist` in tests.
pub const SECRET: &str = "a secret of the tests";

/// A realm.
pub struct Realm<'a> {
    pub server: &'a Keycloak,
    pub name: String,
}

impl Realm<'_> {
    /// The value for `--directory`.
    pub fn address(&self) -> String {
        format!("keycloak:{}#{}", self.server.base, self.name)
    }

    /// A call as the administrator, below the realm.
    pub async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.server.admin(method, &format!("/{}{path}", self.name), body).await
    }
}

/// Maximum number of realms at a time. More would slow each other down.
const AT_ONCE: usize = 2;
static HELD: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// A permit for one realm, released when dropped. A test must not wait for a second permit: two such tests would
/// deadlock.
struct Turn(());

impl Turn {
    /// Waits for a permit.
    fn wait() -> Self {
        let held = HELD.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = HELD.1.wait_while(held, |held| *held >= AT_ONCE).unwrap_or_else(PoisonError::into_inner);
        *held += 1;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *HELD.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        HELD.1.notify_one();
    }
}

/// The realm of one test. It is deleted at the end of the test, also after a failure, and then frees its permit.
pub struct Own<'a> {
    realm: Realm<'a>,
    _turn: Turn,
}

impl Keycloak {
    /// Waits for a permit. Does not create the realm yet.
    pub fn own(&self, name: &str) -> Own<'_> {
        let own = Own { _turn: Turn::wait(), realm: Realm { server: self, name: name.to_owned() } };
        let others = self.realms();
        assert!(others.len() < AT_ONCE, "a realm is used without a turn, or was left behind: {others:?}");
        own
    }

    /// The existing realms, without the administrators' own.
    pub fn realms(&self) -> Vec<String> {
        let listed = apart(|| self.admin("GET", "?briefRepresentation=true", None)).expect("the realms are listed").1;
        let names = listed.as_array().unwrap().iter().map(|realm| realm["realm"].as_str().unwrap().to_owned());
        names.filter(|name| name != "master").collect()
    }
}

impl<'a> std::ops::Deref for Own<'a> {
    type Target = Realm<'a>;

    fn deref(&self) -> &Realm<'a> {
        &self.realm
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        let deleted = apart(|| self.realm.admin("DELETE", "", None));
        // A failed test has already reported its cause.
        if !std::thread::panicking() {
            let (status, answer) = deleted.expect("the realm is deleted");
            assert!(status == 204 || status == 404, "{}: {status} {answer}", self.realm.name);
        }
    }
}

/// Runs a future on a separate thread, because the caller may be in a runtime already. `None`: it panicked.
fn apart<T: Send, F: Future<Output = T>>(future: impl FnOnce() -> F + Send) -> Option<T> {
    std::thread::scope(|scope| scope.spawn(|| block_on(future())).join().ok())
}

/// Runs a future on its own runtime.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    drop(rustls::crypto::ring::default_provider().install_default());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The same on several threads, for futures that block.
pub fn multi<T>(future: impl Future<Output = T>) -> T {
    drop(rustls::crypto::ring::default_provider().install_default());
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}
