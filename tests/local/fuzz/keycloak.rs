//! Keycloak's answers: one answer is changed, and the backend reads everything from a realm that is otherwise valid.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use guestlist::directory::keycloak::{Credentials, Directory, Secret, Settings, TimeSource};
use guestlist::directory::{Cursor, DirectoryReader, PartnerId};
use guestlist::domain::Email;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::harness::{Subject, fuzz};

/// The limit of calls for one input, to detect an endless loop.
const CALLS: usize = 400;

const WORDS: [&str; 22] = [
    "\"id\":\"\",",
    "\"guestlist.record\":[\"{}\"],",
    "\"guestlist.id\":[],",
    "\"guestlist.accounts\":[\"ads:manager\",\"mail\"],",
    "\"guestlist.grants\":[\"\"],",
    "\"guestlist.methods\":[\"TOTP,\"],",
    "\"guestlist.address\":[\"eve@acme.example\"],",
    "\"email\":null,",
    "\"enabled\":false,",
    "\"requiredActions\":[\"UPDATE_PASSWORD\"],",
    "\"createdTimestamp\":9223372036854775807,",
    "\"time\":-9223372036854775808,",
    "\"time\":9223372036854775807,",
    "\"sentDate\":9223372036854775807,",
    "253402207200",
    "-9999-01-01T00:00:00Z",
    "\\ud83d",
    "null",
    "[]",
    "{}",
    "[[[[",
    "keycloak-",
];

/// The answers of a valid realm, by the kind of request.
fn answers() -> BTreeMap<&'static str, String> {
    let record = r#"{\"id\":\"g1\",\"mark\":{\"installation\":\"prod\",\"cluster\":\"c\",\"namespace\":\"partners\",\"name\":\"bob\",\"uid\":\"u1\",\"origin\":\"Created\"},\"address\":\"bob@acme.example\",\"email\":\"bob@acme.example\",\"partner\":\"p1\",\"partnerName\":\"acme\",\"displayName\":\"Bob\",\"role\":\"GuestUser\",\"invitation\":{\"sentAt\":\"2026-01-01T00:00:00Z\",\"expiresAt\":\"2026-01-04T00:00:00Z\"},\"admittedAt\":\"2026-01-01T00:00:00Z\",\"lastMailAt\":\"2026-01-01T00:00:00Z\",\"recentMails\":[{\"at\":\"2026-01-01T00:00:00Z\",\"namespace\":\"partners\"}],\"joinedAt\":\"2026-01-02T00:00:00Z\",\"login\":\"Enabled\",\"mfa\":{\"TOTP\":\"2026-01-02T00:00:00Z\"},\"revoked\":[\"wiki:manager\"]}"#;
    let grant = r#"{\"account\":\"ads\",\"role\":\"Manager\",\"share\":\"s\",\"shareUid\":\"s1\",\"allowed\":[\"TOTP\"],\"asked\":[\"TOTP\"],\"until\":\"2027-01-01T00:00:00Z\",\"since\":\"2026-01-01T00:00:00Z\"}"#;
    let user = format!(
        r#"{{"id":"user-1","username":"bob@acme.example","email":"bob@acme.example","firstName":"Bob","lastName":"Example","enabled":true,"emailVerified":true,"totp":true,"createdTimestamp":1767225600000,"notBefore":0,"requiredActions":[],"attributes":{{"guestlist.id":["g1"],"guestlist.installation":["prod"],"guestlist.address":["bob@acme.example"],"guestlist.partner":["p1"],"guestlist.record":["{record}"],"guestlist.grants":["{grant}"],"guestlist.accounts":["ads:manager"],"guestlist.methods":["TOTP,WebAuthn"]}}}}"#
    );
    let other = r#"{"id":"user-2","username":"alice@host.example","email":"alice@host.example","firstName":"Alice","lastName":"-","enabled":true,"emailVerified":true}"#;
    let damaged = r#"{"id":"f:2:x","username":"eve@host.example","email":"","enabled":true,"requiredActions":["UPDATE_PASSWORD"],"attributes":{"guestlist.accounts":["ads:collaborator"],"guestlist.record":["{"]}}"#;
    let organization = r#"{"id":"org-1","name":"Acme","alias":"acme-aa","enabled":true,"description":"d","redirectUrl":"https://a.example","domains":[{"name":"acme.example","verified":false}],"attributes":{"guestlist.id":["p1"],"guestlist.installation":["prod"],"guestlist.cluster":["c"],"guestlist.namespace":["partners"],"guestlist.name":["acme"],"guestlist.uid":["aa"],"guestlist.host-admins":["alice@host.example"],"guestlist.suspended":["off"],"guestlist.deactivated-at":["2026-01-02T00:00:00Z"],"guestlist.name-rest":["rest"]}}"#;
    let group = |name: &str, attributes: &str| {
        format!(r#"{{"id":"{name}-id","name":"{name}","path":"/guestlist/{name}","attributes":{{{attributes}}}}}"#)
    };
    let branches = [
        group("owner", r#""installation":["prod"],"cluster":["c"]"#),
        group("leader", r#""epoch":["12"]"#),
        group("claims-enabled", r#""guestlist.claims-enabled":["true"]"#),
        group("claims-blocked", ""),
        group("accounts", ""),
        group("mails", ""),
        group("shares", ""),
    ];
    let root = r#"{"id":"root-id","name":"guestlist","path":"/guestlist","attributes":{"purged":["2026-01-01T00:01:00Z=3"],"guestlist.claims-enabled":["true"]}}"#;
    let event = r#"{"id":"e1","time":1767225600000,"authDetails":{"userId":"admin"},"resourceType":"USER","resourcePath":"users/user-1"}"#;
    let organizational = r#"{"id":"e2","time":1767225600001,"resourceType":"ORGANIZATION_MEMBERSHIP","resourcePath":"organizations/org-1/members/user-1"},{"id":"e3","time":1767225600002,"resourceType":"GROUP","resourcePath":"groups/ads-id"}"#;
    let many = |one: &str, count: usize| {
        let row = |n: usize| one.replacen("user-1", &format!("user-{n}"), 1);
        format!("[{}]", (0..count).map(row).collect::<Vec<_>>().join(","))
    };
    [
        ("token", r#"{"access_token":"x.eyJzdWIiOiJ1cyIsImlhdCI6MTc2NzIyNTYwMH0.x","expires_in":300}"#.to_owned()),
        ("groups", format!("[{root}]")),
        ("group", root.to_owned()),
        ("branches", format!("[{}]", branches.join(","))),
        ("accounts", format!("[{}]", group("ads", r#""guestlist.owners":["alice@host.example"],"name":["ads"],"deleted":["true"]"#))),
        ("mails", format!("[{}]", group("bob@acme.example", r#""mailed-at":["2026-01-01T00:00:00.5Z"],"recent-mails":["2026-01-01T00:00:00.5Z partners"]"#))),
        ("shares", format!("[{}]", group("s1", r#""partner":["acme"],"account":["ads"]"#))),
        ("group-members", r#"[{"id":"user-9"}]"#.to_owned()),
        ("organizations", format!("[{organization}]")),
        ("organization", organization.to_owned()),
        ("members", r#"[{"id":"user-1","membershipType":"UNMANAGED"}]"#.to_owned()),
        ("member", r#"{"id":"user-1","membershipType":"UNMANAGED"}"#.to_owned()),
        ("invitations", r#"[{"id":"i1","email":"bob@acme.example","sentDate":1767225600,"expiresAt":1767484800,"status":"PENDING"}]"#.to_owned()),
        ("users", format!("[{user},{other},{damaged}]")),
        ("full-page", many(&other.replace("user-2", "user-1"), 100)),
        ("user", user),
        ("credentials", r#"[{"id":"c1","type":"otp","createdDate":1767225600000},{"id":"c2","type":"webauthn"},{"id":"c3","type":"password","createdDate":1767225600000}]"#.to_owned()),
        ("profile", r#"{"unmanagedAttributePolicy":"ADMIN_EDIT","attributes":[{"name":"username","permissions":{"view":["admin"],"edit":["admin"]}}]}"#.to_owned()),
        ("config", r#"{"eventsEnabled":true,"adminEventsEnabled":true}"#.to_owned()),
        ("admin-events", format!("[{event},{organizational}]")),
        ("events", r#"[{"id":"e4","time":1767225600003,"userId":"user-2","type":"UPDATE_EMAIL","details":{"a":"b"}}]"#.to_owned()),
        ("realm", r#"{"realm":"w","browserFlow":"browser","directGrantFlow":"direct","resetCredentialsFlow":"reset"}"#.to_owned()),
        ("flows", r#"[{"id":"f1","alias":"mine","usedBy":{"type":"SPECIFIC_CLIENTS","values":["app"]}}]"#.to_owned()),
        ("steps", r#"[{"id":"s1","level":0,"index":0,"displayName":"forms","authenticationFlow":true,"requirement":"ALTERNATIVE"},{"id":"s2","level":1,"index":0,"providerId":"auth-username-password-form","requirement":"REQUIRED","authenticationConfig":"c"}]"#.to_owned()),
        ("flow-config", r#"{"config":{"credential_types":"otp"}}"#.to_owned()),
        ("clients", r#"["app"]"#.to_owned()),
    ]
    .into()
}

/// The kind of a request.
fn asked(method: &str, path: &str) -> &'static str {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> =
        path.trim_start_matches("/admin/realms/w").split('/').filter(|part| !part.is_empty()).collect();
    match (method, parts.as_slice()) {
        ("POST", [.., "token"]) => "token",
        (_, []) => "realm",
        (_, ["groups"]) => "groups",
        (_, ["groups", "accounts-id", "children"]) => "accounts",
        (_, ["groups", "mails-id", "children"]) => "mails",
        (_, ["groups", "shares-id", "children"]) => "shares",
        (_, ["groups", _, "children"]) => "branches",
        (_, ["groups", _, "members"]) => "group-members",
        (_, ["groups", _]) => "group",
        (_, ["organizations"]) => "organizations",
        (_, ["organizations", _]) => "organization",
        (_, ["organizations", _, "members"]) => "members",
        (_, ["organizations", _, "members", _]) => "member",
        (_, ["organizations", _, "invitations"]) => "invitations",
        (_, ["users"]) => "users",
        (_, ["users", "profile"]) => "profile",
        (_, ["users", _]) => "user",
        (_, ["users", _, "credentials"]) => "credentials",
        (_, ["events", "config"]) => "config",
        (_, ["admin-events"]) => "admin-events",
        (_, ["events"]) => "events",
        (_, [.., "executions"]) => "steps",
        (_, ["authentication", "config", _]) => "flow-config",
        (_, [.., "flows"]) => "flows",
        (_, [.., "clients", _]) => "clients",
        _ => "",
    }
}

/// A server whose answers are set.
#[derive(Clone, Default)]
struct Server {
    sound: Arc<BTreeMap<&'static str, String>>,
    changed: Arc<Mutex<(String, u16, Vec<u8>)>>,
    calls: Arc<Mutex<usize>>,
}

impl Server {
    async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(self.clone().talk(stream));
        }
    }

    async fn talk(self, mut stream: TcpStream) {
        let mut read = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
                if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
                    return;
                }
            };
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            while read.len() < end + length.unwrap_or(0) {
                if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
                    return;
                }
            }
            read.drain(..end + length.unwrap_or(0));
            let mut words = head.split(' ');
            let (status, body) = self.answer(words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            if stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err() {
                return;
            }
        }
    }

    fn answer(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        if *calls > CALLS {
            return (400, b"{}".to_vec());
        }
        let asked = asked(method, path);
        let (changed, status, body) = &*self.changed.lock().unwrap();
        if changed == asked || (changed == "full-page" && asked == "users") {
            return (*status, body.clone());
        }
        self.sound
            .get(asked)
            .map_or((404, b"{\"error\":\"not found\"}".to_vec()), |body| (200, body.as_bytes().to_vec()))
    }
}

/// Reads everything of the realm, and ignores failures.
async fn read(directory: &Directory) {
    drop(directory.ready().await);
    drop(directory.sign_in().await);
    drop(directory.owner().await);
    let since = directory.cursor().await.unwrap_or_default();
    drop(directory.partners(None).await);
    let mut page = None;
    while let Ok(read) = directory.guests(page).await
        && read.next.is_some()
    {
        page = read.next;
    }
    drop(directory.users(None).await);
    drop(directory.accounts(None).await);
    drop(directory.mails(None).await);
    drop(directory.shares(None).await);
    drop(directory.purged().await);
    drop(directory.partner(&PartnerId("p1".to_owned())).await);
    for address in ["bob@acme.example", "eve@host.example"].map(|text| Email::parse(text).unwrap()) {
        drop(directory.guest(&address).await);
        drop(directory.user(&address).await);
    }
    drop(directory.account("ads").await);
    for since in [since, Cursor(0), Cursor(i64::MAX)] {
        drop(directory.changes(since).await);
    }
    directory.warnings();
}

/// Reads the realm without a changed answer; no read may fail.
async fn reads(directory: &Directory) {
    assert_eq!(directory.owner().await.unwrap().unwrap().installation, "prod");
    assert_eq!(directory.partners(None).await.unwrap().items.len(), 1);
    let guests = directory.guests(None).await.unwrap().items;
    assert!(guests.len() == 2 && guests[0].grants.contains_key("ads"), "{guests:?}");
    assert_eq!(directory.mails(None).await.unwrap().items.len(), 1);
    assert!(!directory.changes(Cursor(0)).await.unwrap().changed.is_empty());
}

#[test]
fn answers_of_keycloak() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sound = answers();
    let refused = [
        "users 400\n{\"errors\":[{\"field\":\"a\",\"errorMessage\":\"error-user-attribute-required\"}]}",
        "users 403\n{\"error\":\"HTTP 403 Forbidden\"}",
        "organization 404\n{\"errorMessage\":\"Organization not found.\"}",
        "token 401\n{\"error\":\"unauthorized_client\",\"error_description\":\"Invalid client\"}",
    ];
    let corpus = sound.iter().map(|(asked, body)| format!("{asked} 200\n{body}").into_bytes());
    let corpus = corpus.chain(refused.map(|text| text.as_bytes().to_vec())).collect();
    let server = Server { sound: Arc::new(sound), ..Server::default() };
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    runtime.spawn(server.clone().serve(listener));
    let login = Credentials::new("guestlist", Secret::new("secret"));
    let settings = Settings { base, realm: "w".to_owned(), login, authorities: None, calls_per_second: 1_000_000_000 };
    let clock: TimeSource = Arc::new(|| "2026-06-01T00:00:00Z".parse::<Timestamp>().unwrap());
    runtime.block_on(reads(&Directory::new(settings.clone(), Arc::clone(&clock)).unwrap()));
    fuzz(Subject { name: "keycloak", corpus, words: &WORDS, share: 1 }, |input| {
        let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
        let head = String::from_utf8_lossy(&input[..at]);
        let (asked, status) = head.split_once(' ').unwrap_or((&head, "200"));
        let status = status.parse().ok().filter(|status| (200..600).contains(status)).unwrap_or(200);
        let body = input.get(at + 1..).unwrap_or_default().to_vec();
        *server.changed.lock().unwrap() = (asked.to_owned(), status, body);
        *server.calls.lock().unwrap() = 0;
        let directory = Directory::new(settings.clone(), Arc::clone(&clock)).unwrap();
        runtime.block_on(read(&directory));
        let calls = *server.calls.lock().unwrap();
        assert!(calls <= CALLS, "more than {CALLS} calls");
    });
}
