//! Programs that refresh their tokens continuously, online and offline, during every way of losing access. Afterwards
//! none of their tokens carries an account, even when the guest has the account again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use guestlist::directory::{GuestChange, GuestRecord, Operation};
use guestlist::domain::ShareRole;
use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinHandle;

use super::adopted::adopt;
use super::harness::{PASSWORD, Person, Stage, accounts, holds, in_three_days, on_stage};
use crate::support::browser::{Application, Tokens, code};
use crate::support::contract::{admit, email, give, grant, guest};

const BOB: &str = "bob@acme.example";
/// A client whose identifier needs encoding in a path.
const PORTAL: &str = "https://portal.host.example/app?a=1";
/// The number of concurrent requests of a program.
const AT_ONCE: usize = 2;
/// The number of refreshes that shows whether a session continues.
const ENOUGH: usize = 8;

/// The results of refreshes.
#[derive(Default)]
struct Log {
    attempts: AtomicUsize,
    /// The start of a refresh whose token carried an account, and the accounts.
    carried: Mutex<Vec<(Instant, String)>>,
}

/// Programs that hold tokens of one guest and refresh them continuously.
struct Programs {
    log: Arc<Log>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

async fn refreshes(application: Application, mut tokens: Tokens, log: Arc<Log>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        if let Ok(newer) = application.refresh(&tokens).await {
            if let Some(held) = accounts(&newer) {
                log.carried.lock().unwrap().push((began, format!("{}: {held:?}", application.client)));
            }
            tokens = newer;
        }
        log.attempts.fetch_add(1, Ordering::Relaxed);
    }
}

impl Programs {
    /// A program with an offline token of a page, and three that need no page.
    async fn start(stage: &Stage, person: &mut Person<'_>) -> Self {
        let portal = Application { client: PORTAL.to_owned(), ..stage.application.clone() };
        let by_page = person.signs_in_offline().await.unwrap();
        let mut held = vec![(stage.application.clone(), by_page)];
        for (application, scope) in
            [(&stage.application, "openid"), (&portal, "openid offline_access"), (&portal, "openid")]
        {
            let code = person.key.as_deref().map(code);
            let tokens = application.direct_for(scope, person.address, PASSWORD, code.as_deref()).await.unwrap();
            held.push((application.clone(), tokens));
        }
        let (log, stop) = (Arc::new(Log::default()), Arc::new(AtomicBool::new(false)));
        let mut tasks = Vec::new();
        for (application, tokens) in held {
            for _ in 0..AT_ONCE {
                tasks.push(tokio::spawn(refreshes(application.clone(), tokens.clone(), log.clone(), stop.clone())));
            }
        }
        Self { log, stop, tasks }
    }

    /// Waits until each has refreshed a few more times.
    async fn go_on(&self) {
        let until = self.log.attempts.load(Ordering::Relaxed) + ENOUGH * self.tasks.len();
        while self.log.attempts.load(Ordering::Relaxed) < until {
            assert!(self.tasks.iter().all(|task| !task.is_finished()));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn stop(self) -> Vec<(Instant, String)> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut self.log.carried.lock().unwrap())
    }
}

async fn stage_with_portal(stage: &Stage) {
    let client = json!({
        "clientId": PORTAL, "publicClient": true, "standardFlowEnabled": true, "directAccessGrantsEnabled": true,
        "redirectUris": [Application::RETURN],
    });
    stage.admin("POST", "/clients", Some(client)).await;
}

fn withhold() -> Operation {
    Operation::Guest { id: guest("bob"), change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] } }
}

async fn regrant(stage: &Stage, bob: &mut Person<'_>) {
    stage.done(&give("bob", vec![grant("instagram", ShareRole::Manager)])).await;
    holds(&bob.signs_in().await.unwrap(), &["instagram:manager"]);
}

/// Runs `revokes`, then `restores`, between the programs' first refreshes and their last.
async fn nothing_outlives(
    stage: &Stage,
    bob: &mut Person<'_>,
    what: &str,
    revokes: impl AsyncFnOnce(),
    restores: impl AsyncFnOnce(&mut Person<'_>),
) {
    let programs = Programs::start(stage, bob).await;
    programs.go_on().await;
    revokes().await;
    let revoked = Instant::now();
    restores(bob).await;
    regrant(stage, bob).await;
    programs.go_on().await;
    let carried = programs.stop().await;
    assert!(carried.len() >= ENOUGH, "{what}: the programs had the account before: {carried:?}");
    let after: Vec<_> = carried.iter().filter(|(began, _)| *began > revoked).map(|(_, held)| held).collect();
    assert!(after.is_empty(), "{what}: {} refreshes carry an account, {:?} among them", after.len(), after[0]);
}

async fn accepts(stage: &Stage, bob: &mut Person<'_>) {
    bob.accepts().await;
    let GuestRecord { joined_at, .. } = stage.record(BOB).await;
    assert!(joined_at.is_some(), "{}", bob.browser.words());
}

#[test]
fn no_session_outlives_revoked_grant_role_or_login() {
    on_stage("outlives", async |stage| {
        stage_with_portal(stage).await;
        let mut bob = stage.active(BOB).await;
        regrant(stage, &mut bob).await;
        nothing_outlives(stage, &mut bob, "withheld", async || stage.done(&withhold()).await, async |_| {}).await;
        let lower = Operation::Guest {
            id: guest("bob"),
            change: GuestChange::Reduce { grants: vec![grant("instagram", ShareRole::Collaborator)] },
        };
        nothing_outlives(stage, &mut bob, "lowered", async || stage.done(&lower).await, async |_| {}).await;
        let (demote, promote) = (
            Operation::Guest { id: guest("bob"), change: GuestChange::Demote },
            Operation::Guest { id: guest("bob"), change: GuestChange::Promote },
        );
        let demoted = async || stage.done(&demote).await;
        nothing_outlives(stage, &mut bob, "demoted", demoted, async |_| stage.done(&promote).await).await;
        let (off, on) = (
            Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin },
            Operation::Guest { id: guest("bob"), change: GuestChange::EnableLogin },
        );
        let disabled = async || stage.done(&off).await;
        nothing_outlives(stage, &mut bob, "disabled", disabled, async |_| stage.done(&on).await).await;
        let suspended = async || {
            stage.done(&withhold()).await;
            stage.done(&off).await;
        };
        nothing_outlives(stage, &mut bob, "suspended", suspended, async |_| stage.done(&on).await).await;
    });
}

#[test]
fn no_session_outlives_reset_factor() {
    on_stage("outlives-reset", async |stage| {
        stage_with_portal(stage).await;
        let mut bob = stage.active(BOB).await;
        regrant(stage, &mut bob).await;
        let reset = async || {
            let enrolled_before = Timestamp::now();
            stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::ResetMfa { enrolled_before } }).await;
        };
        nothing_outlives(stage, &mut bob, "reset", reset, async |bob| {
            bob.signs_in().await.expect_err("the factor is gone");
            bob.enrols().await;
            bob.is_in().await.expect("a new factor");
        })
        .await;
    });
}

#[test]
fn no_session_outlives_removal_from_partner_or_directory() {
    on_stage("outlives-removal", async |stage| {
        stage_with_portal(stage).await;
        let mut bob = stage.active(BOB).await;
        regrant(stage, &mut bob).await;
        let removed = async || {
            stage.done(&withhold()).await;
            stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }).await;
        };
        nothing_outlives(stage, &mut bob, "removed", removed, async |bob| {
            stage.done(&admit(&email(BOB), in_three_days())).await;
            accepts(stage, bob).await;
        })
        .await;
        let user = stage.user(BOB).await["id"].as_str().unwrap().to_owned();
        let member = format!("/organizations/{}/members/{user}", stage.organization().await.unwrap());
        let taken_out = async || {
            stage.admin("DELETE", &member, None).await;
            stage.record(BOB).await;
            stage.done(&withhold()).await;
        };
        nothing_outlives(stage, &mut bob, "taken out by hand", taken_out, async |bob| {
            stage
                .done(&Operation::Guest {
                    id: guest("bob"),
                    change: GuestChange::ResendInvitation { expires_at: in_three_days() },
                })
                .await;
            accepts(stage, bob).await;
        })
        .await;
        let given_back = async || stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Detach }).await;
        nothing_outlives(stage, &mut bob, "given back", given_back, async |bob| {
            stage.done(&adopt(BOB)).await;
            accepts(stage, bob).await;
        })
        .await;
        let released = async || stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Release }).await;
        nothing_outlives(stage, &mut bob, "released", released, async |bob| {
            stage.done(&adopt(BOB)).await;
            accepts(stage, bob).await;
        })
        .await;
    });
}

#[test]
fn no_session_outlives_claims_group_of_unwritable_user() {
    on_stage("outlives-unwritable", async |stage| {
        stage_with_portal(stage).await;
        let mut bob = stage.active(BOB).await;
        regrant(stage, &mut bob).await;
        let profile = stage.admin("GET", "/users/profile", None).await;
        let put_out = async || {
            super::refused::tighten(stage).await;
            stage.run(&withhold()).await.expect_err("the user cannot be written");
        };
        nothing_outlives(stage, &mut bob, "put out", put_out, async |_| {
            stage.admin("PUT", "/users/profile", Some(profile.clone())).await;
            stage.done(&withhold()).await;
        })
        .await;
    });
}
