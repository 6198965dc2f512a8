//! The operator on a real kube-apiserver and etcd, against a baseline: a loop of the unavoidable calls, with the same
//! concurrency, watches and store, in the same run. Absolute times vary on shared machines, so the result is the ratio.
//!
//! `GUESTLIST_BENCH_MEMBERSHIPS=10000 make bench`; a hundred guests a partner, five shares a partner.
//! `GUESTLIST_BENCH_PROGRAM=target/x86_64-unknown-linux-musl/release/guestlist make bench` measures the image's program.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "what goes wrong ends the benchmark"
)]

#[path = "../../tests/support/controlplane.rs"]
mod controlplane;
mod floor;
#[path = "../../tests/support/operator.rs"]
mod operator;
mod world;

use std::time::{Duration, Instant};

use controlplane::ControlPlane;
use floor::Clients;
use guestlist::cache::{ALL_NAMESPACES, Kind, ObjectCache};
use guestlist::directory::sqlite::{OpenMode, Store};
use guestlist::directory::{DirectoryCache, Owner};
use guestlist::plan::{AvailableFacts, Inputs, PruneScope, plan};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::Timestamp;
use operator::Operator;
use world::{Size, client};

/// Number of concurrent calls, for the operator and for the baseline.
const CONCURRENCY: usize = 16;
/// Number of changes in the measurement of the reaction time.
const REACTIONS: usize = 100;

fn main() {
    let memberships = std::env::var("GUESTLIST_BENCH_MEMBERSHIPS").ok().and_then(|text| text.parse().ok());
    let size = Size::of(memberships.unwrap_or(2_000));
    println!(
        "{} memberships in {} partners, {} shares; {CONCURRENCY} calls in flight",
        size.memberships(),
        size.partners,
        size.shares()
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let plane = ControlPlane::start();
    let mut operator = Operator::prepare(&plane);
    operator.resync = "10m";
    operator.import(&size.people());
    let administrator = runtime.block_on(client(plane.kubeconfig()));
    // The server checks the rights of the baseline's calls too.
    let clients = Clients { operator: runtime.block_on(client(&operator.kubeconfig)), administrator };
    let client = &clients.administrator;

    let before = runtime.block_on(floor::run(&clients, &plane, "before", size, CONCURRENCY));

    runtime.block_on(world::create(client, "partners", size, CONCURRENCY));
    let began = Instant::now();
    operator.start();
    let cold = rests(&operator, began);
    let (cpu, calls, memory, rest) = (operator.cpu(), Calls::of(&operator), operator.memory(), cpu_at_rest(&operator));
    operator.kill();
    // The store grows and gets slower, so the baseline runs before and after.
    let after = runtime.block_on(floor::run(&clients, &plane, "after", size, CONCURRENCY));
    println!(
        "a finalizer and a status on each object, a directory write a guest: {cold:.2?}, floor {before:.2?} and {after:.2?}"
    );
    row("cold convergence", cold.as_secs_f64() / ((before + after) / 2).as_secs_f64(), "of the floor", "1.15");
    row("CPU of the operator in it", cpu.as_secs_f64() / cold.as_secs_f64() * 100.0, "% of a core", "none");
    row("writes a membership", calls.writes("GuestMembership") / size.memberships() as f64, "", "2");
    row("writes a partner", calls.writes("LocalPartner") / size.partners as f64, "", "2 and at most 3 for counts");
    row("writes a share", calls.writes("AccountShare") / size.shares() as f64, "", "2 and at most 3 for counts");
    row("reads a membership", calls.reads() / size.memberships() as f64, "", "none");
    row("memory at rest", memory, "MB", "64");
    row("CPU at rest", rest, "% of a core", "1");

    let lists = runtime.block_on(world::lists(client));
    let began = Instant::now();
    operator.go();
    while !operator.probe("/readyz").is_ok_and(|text| text.contains("200 OK")) {
        assert!(began.elapsed() < Duration::from_mins(1), "it is not ready");
        std::thread::sleep(Duration::from_millis(5));
    }
    row("restart until ready", began.elapsed().as_secs_f64() / lists.as_secs_f64(), "of three bare lists", "1.5");
    rests(&operator, began);
    row("memory after it", operator.memory(), "MB", "64");
    row("writes after a restart", Calls::of(&operator).all_writes(), "", "0");

    let mut reactions = runtime.block_on(reactions(client, &operator, size));
    reactions.sort();
    row("reaction, p50", millis(reactions[reactions.len() / 2]), "ms until the directory shows it", "10");
    row("reaction, p99", millis(reactions[reactions.len() * 99 / 100]), "ms until the directory shows it", "40");
    row("plan of one membership", runtime.block_on(planning(client, &operator)), "us, nothing to do", "20");
    assert_eq!(operator.terminate(), Some(0));
}

fn row(what: &str, value: f64, unit: &str, bound: &str) {
    println!("{what:<26} {value:>8.2} {unit:<34} (bound: {bound})");
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The calls to the API server that the operator counts, by verb and kind. Without the lists and watches of a start, and
/// the renewals of the Lease.
#[derive(PartialEq)]
struct Calls(String);

const OTHERS: [&str; 4] = ["verb=\"list\"", "verb=\"watch\"", "kind=\"Lease\"", "kind=\"Namespace\""];

impl Calls {
    fn of(operator: &Operator) -> Self {
        let text = operator.probe("/metrics").unwrap();
        Self(
            text.lines()
                .filter(|line| line.starts_with("guestlist_kube_requests_total{"))
                .filter(|line| !OTHERS.iter().any(|other| line.contains(other)))
                .collect::<Vec<_>>()
                .join("\n"),
        )
    }

    fn sum(&self, wanted: impl Fn(&str) -> bool) -> f64 {
        let counts = self.0.lines().filter(|line| wanted(line));
        counts.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum::<f64>() + 0.0
    }

    fn writes(&self, kind: &str) -> f64 {
        self.sum(|line| line.contains(kind) && line.contains("patch"))
    }

    fn reads(&self) -> f64 {
        self.sum(|line| line.contains("verb=\"get\""))
    }

    fn all_writes(&self) -> f64 {
        self.sum(|line| line.contains("patch") || line.contains("delete"))
    }
}

/// Waits until no call was made for a while. Returns the time from `began` to the last call.
fn rests(operator: &Operator, began: Instant) -> Duration {
    let (mut last, mut at) = (Calls::of(operator), Instant::now());
    while at.elapsed() < Duration::from_secs(8) {
        std::thread::sleep(Duration::from_millis(50));
        let now = Calls::of(operator);
        if now != last {
            (last, at) = (now, Instant::now());
        }
    }
    at.duration_since(began)
}

fn cpu_at_rest(operator: &Operator) -> f64 {
    let began = (operator.cpu(), Instant::now());
    std::thread::sleep(Duration::from_secs(10));
    operator.cpu().saturating_sub(began.0).as_secs_f64() / began.1.elapsed().as_secs_f64() * 100.0
}

/// Suspends guests one by one, and polls the directory's file until their login is off.
async fn reactions(client: &kube::Client, operator: &Operator, size: Size) -> Vec<Duration> {
    let connection = rusqlite::Connection::open(operator.database()).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    let mut all = Vec::new();
    for number in 0..REACTIONS.min(size.memberships()) {
        world::suspend(client, number).await;
        let began = Instant::now();
        let sql = "SELECT login FROM guests WHERE name = ?1";
        while connection.query_row(sql, [world::name(number)], |row| row.get::<_, bool>(0)).unwrap() {
            assert!(began.elapsed() < Duration::from_secs(30), "no reaction");
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
        all.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    all
}

/// The time of the pure plan of a membership without changes.
async fn planning(client: &kube::Client, operator: &Operator) -> f64 {
    let mut index = ObjectCache::default();
    for (kind, objects) in world::everything(client).await {
        index.replace(&kind.into(), objects.into_iter().map(Into::into).collect());
    }
    let mut directory_cache = DirectoryCache::default();
    let all = Store::open(&operator.database(), OpenMode::Read).unwrap().everything().unwrap();
    let mark = all.partners[0].mark.clone();
    all.partners.into_iter().for_each(|partner| directory_cache.set_partner(&partner.id.clone(), Some(partner)));
    all.guests.into_iter().for_each(|guest| directory_cache.set_guest(&guest.address.clone(), Some(guest)));
    all.accounts.into_iter().for_each(|account| directory_cache.set_account(&account.name.clone(), Some(account)));
    all.users.into_iter().for_each(|user| directory_cache.set_user(&user.email.clone(), Some(user)));
    let workspace = WorkspacePolicy::parse(operator::POLICY).unwrap();
    let owner = Owner { installation: mark.installation, cluster: mark.cluster };
    let world = Inputs {
        declared: &index,
        observed: &directory_cache,
        workspace: &workspace,
        owner: &owner,
        directory_available: true,
        unsent: false,
        invitations: &guestlist::plan::NO_INVITATIONS,
        scope: AvailableFacts::ALL,
        prune_scope: PruneScope::Everything,
        namespaces: &ALL_NAMESPACES,
        now: Timestamp::now(),
    };
    let keys: Vec<_> = index.keys(Kind::Membership).collect();
    let began = Instant::now();
    for key in &keys {
        let plan = plan(world, key);
        assert!(plan.steps.is_empty(), "{key}: {:?}", plan.steps);
    }
    began.elapsed().as_secs_f64() * 1e6 / keys.len() as f64
}
