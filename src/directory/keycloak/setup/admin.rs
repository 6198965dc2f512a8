//! An administrator's session: reads, writes unless it is a rehearsal, and reports each step.

use std::time::Duration;

use serde_json::Value;

use super::super::super::Error;
use super::super::client::{Answer, Call, Client, ClientError, Endpoint, Secret};
use super::SetupOutcome;

/// The maximum number of attempts after responses with status 500.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// The number of rows in one call.
const PAGE: usize = 100;

/// A kind of call that only an administrator makes.
pub const fn endpoint(name: &'static str) -> Endpoint {
    Endpoint { name, needs: "realm-admin" }
}

/// An administrator's session in a realm.
pub struct Admin<'a> {
    client: Client,
    rehearsal: bool,
    /// The realm does not exist, so every read returns nothing.
    absent: bool,
    writes: usize,
    failures: Vec<String>,
    tell: &'a mut dyn FnMut(SetupOutcome, &str),
}

impl<'a> Admin<'a> {
    pub fn new(client: Client, rehearsal: bool, tell: &'a mut dyn FnMut(SetupOutcome, &str)) -> Self {
        Self { client, rehearsal, absent: false, writes: 0, failures: Vec::new(), tell }
    }

    /// Whether writes are skipped.
    pub fn is_rehearsal(&self) -> bool {
        self.rehearsal
    }

    /// Checks whether the realm exists.
    pub async fn find_realm(&mut self, realm: &str) -> Result<(), Error> {
        let call = Call::get(endpoint("GET realms"), &["realms"]).on_server().with("briefRepresentation", true);
        let realms: Vec<Value> = self.ask(call).await?.read()?;
        self.absent = !realms.iter().any(|known| known["realm"] == realm);
        Ok(())
    }

    /// Creates the realm if it does not exist.
    pub async fn make(&mut self, realm: &str) -> Result<(), Error> {
        let there = !self.absent;
        if !there {
            let body = serde_json::json!({"realm": realm, "enabled": true});
            self.write(Call::post(endpoint("POST realms"), &["realms"]).on_server().json(body)).await?;
            self.absent = self.rehearsal;
        }
        self.done(there, &format!("realm {realm:?} is there"));
        Ok(())
    }

    /// Reads. Returns null if the realm does not exist yet.
    pub async fn read(&self, call: Call<'_>) -> Result<Value, Error> {
        if self.absent {
            return Ok(Value::Null);
        }
        Ok(self.ask(call).await?.read()?)
    }

    /// Repeats the call after a status 500. Keycloak returns it for conflicting changes too, and has changed nothing
    /// then.
    async fn ask(&self, call: Call<'_>) -> Result<Answer, ClientError> {
        let call = call.slow();
        for _ in 1..ATTEMPTS {
            match self.client.call(call.clone()).await {
                Err(failed) if failed.is(500) => tokio::time::sleep(PAUSE).await,
                done => return done,
            }
        }
        self.client.call(call).await
    }

    /// Reads one object of the realm.
    pub async fn get(&self, name: &'static str, path: &[&str]) -> Result<Value, Error> {
        self.read(Call::get(endpoint(name), path)).await
    }

    /// Reads a list.
    pub async fn list(&self, name: &'static str, path: &[&str]) -> Result<Vec<Value>, Error> {
        Ok(rows(self.get(name, path).await?))
    }

    /// Reads a long list, page by page.
    pub async fn pages(&self, name: &'static str, path: &[&str]) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        loop {
            let page = rows(self.read(Call::get(endpoint(name), path).page(all.len(), PAGE)).await?);
            let last = page.len() < PAGE;
            all.extend(page);
            if last {
                return Ok(all);
            }
        }
    }

    /// The client with this name in the realm.
    pub async fn client(&self, client_id: &str) -> Result<Option<Value>, Error> {
        let call = Call::get(endpoint("GET clients"), &["clients"]).with("clientId", client_id);
        Ok(rows(self.read(call).await?).into_iter().find(|client| client["clientId"] == client_id))
    }

    /// The secret of a client.
    pub async fn secret(&self, id: &str) -> Result<Option<Secret>, Error> {
        let answer = self.get("GET clients/{id}/client-secret", &["clients", id, "client-secret"]).await?;
        Ok(answer["value"].as_str().map(Secret::new))
    }

    /// Writes, unless it is a rehearsal. Returns the identifier of the created object, if the server returns one.
    pub async fn write(&mut self, call: Call<'_>) -> Result<Option<String>, Error> {
        self.writes += 1;
        if self.rehearsal {
            return Ok(None);
        }
        Ok(self.ask(call).await?.created)
    }

    /// The number of writes so far, including those that a rehearsal skipped.
    pub fn writes(&self) -> usize {
        self.writes
    }

    /// Reports a completed step. `already`: nothing had to be changed.
    pub fn done(&mut self, already: bool, what: &str) {
        (self.tell)(if already { SetupOutcome::Unchanged } else { SetupOutcome::Changed }, what);
    }

    /// Reports a completed step; it changed something if the number of writes grew.
    pub fn done_since(&mut self, writes: usize, what: &str) {
        self.done(self.writes == writes, what);
    }

    /// The result of a step. A failure is reported, and the next step follows.
    pub fn step_result<T>(&mut self, what: &str, done: Result<T, Error>) -> Option<T> {
        match done {
            Ok(value) => Some(value),
            Err(fault) => {
                let said = format!("{what}: {fault}");
                (self.tell)(SetupOutcome::Failed, &said);
                self.failures.push(said);
                None
            }
        }
    }

    /// The number of failed steps.
    pub fn failures(&self) -> usize {
        self.failures.len()
    }

    /// Fails with the message of the first failed step.
    pub fn outcome(&self) -> Result<(), Error> {
        let Some(first) = self.failures.first() else { return Ok(()) };
        let others = match self.failures.len() {
            1 => "a step failed".to_owned(),
            failed => format!("{failed} steps failed, first"),
        };
        Err(Error::Refused { message: format!("{others}: {first}") })
    }

    /// Reports a step that a person has to do.
    pub fn by_hand(&mut self, what: &str) {
        (self.tell)(SetupOutcome::ByHand, what);
    }

    /// Reports information without a step.
    pub fn note(&mut self, what: &str) {
        (self.tell)(SetupOutcome::Note, what);
    }
}

fn rows(value: Value) -> Vec<Value> {
    match value {
        Value::Array(rows) => rows,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Vec::new(),
    }
}

/// A text field of a response; empty if it is missing.
pub fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
