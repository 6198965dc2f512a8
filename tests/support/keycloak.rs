//! A real Keycloak for tests: started once a test binary from target/keycloak, on a port of its own on loopback, with an
//! empty database in memory; it ends with the process that started it. A test has a realm of its own in it, and no more
//! than two have one at a time.
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
    port: u16,
    /// Where its database is kept while it is stopped; `None`: nowhere.
    database: Option<PathBuf>,
    /// Whatever it listens to ends with its pipe.
    child: Mutex<Option<Child>>,
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

pub fn free_port() -> u16 {
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
        Self::start_with(None)
    }

    /// Starts one whose database is in a folder, and is there again after it was stopped.
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

    /// Starts it, again where it was stopped.
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
            // One alone: it looks for no others, and listens to nobody else.
            .arg("--cache=local")
            .env("JAVA_HOME", java())
            .env("KC_BOOTSTRAP_ADMIN_USERNAME", ADMIN)
            .env("KC_BOOTSTRAP_ADMIN_PASSWORD", ADMIN)
            .env("JAVA_OPTS_KC_HEAP", "-Xms192m -Xmx700m")
            // On two processors the one that works beside the server is in its way (measured: a tenth of the time).
            .env("JAVA_OPTS_APPEND", "-XX:-UseG1GC -XX:+UseSerialGC")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(file) = &self.database {
            // The image is built for H2, in memory or not.
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

    /// Ends it: nothing listens there any more.
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

    /// A realm of one's own, ready for guestlist: as `guestlist directory setup` leaves it, as far as a directory needs.
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

/// A realm without the two RSA keys that each gets, and without what makes passwords slow to guess: a third of all that the
/// server did in these tests.
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
    /// As `--directory` wants it.
    pub fn address(&self) -> String {
        format!("keycloak:{}#{}", self.server.base, self.name)
    }

    /// A call as the administrator, below the realm.
    pub async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.server.admin(method, &format!("/{}{path}", self.name), body).await
    }
}

/// How many tests have a realm at a time: more would only be in each other's way.
const AT_ONCE: usize = 2;
static HELD: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// The right to have a realm, until it is dropped. Whoever has one asks for no second one: two who do wait for each other.
struct Turn(());

impl Turn {
    /// Waits for it.
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

/// A realm of a test's own. It is deleted at the end, however that comes, and makes room for the next one then.
pub struct Own<'a> {
    realm: Realm<'a>,
    _turn: Turn,
}

impl Keycloak {
    /// Waits until there may be one realm more. The realm is not made yet.
    pub fn own(&self, name: &str) -> Own<'_> {
        let own = Own { _turn: Turn::wait(), realm: Realm { server: self, name: name.to_owned() } };
        let others = self.realms();
        assert!(others.len() < AT_ONCE, "somebody has a realm without a turn, or left one: {others:?}");
        own
    }

    /// The realms that there are, but for the administrators' own.
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
        // A test that fails says why by itself.
        if !std::thread::panicking() {
            let (status, answer) = deleted.expect("the realm is deleted");
            assert!(status == 204 || status == 404, "{}: {status} {answer}", self.realm.name);
        }
    }
}

/// Runs a future to its end on a thread of its own: the caller may be in a runtime already. `None`: it panicked.
fn apart<T: Send, F: Future<Output = T>>(future: impl FnOnce() -> F + Send) -> Option<T> {
    std::thread::scope(|scope| scope.spawn(|| block_on(future())).join().ok())
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
