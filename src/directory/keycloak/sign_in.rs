//! Whether the realm's sign-in enforces MFA: the flows in use, and those that applications use instead. Only this
//! check needs the role `view-realm`.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::super::{Error, SignInGate};
use super::client::{Call, Client, ClientError, optional};
use super::endpoints::{FLOW_CLIENTS, FLOW_CONFIG, FLOW_STEPS, FLOWS, GET_REALM, VIEW_REALM};
use super::setup::mfa_flows::{GATES, MfaGate, MissingFlow, Rows};

/// The number of concurrent reads.
const AT_ONCE: usize = 4;
/// The maximum number of applications of a flow that are read and named.
const NAMED: usize = 20;
/// The fix of a flow.
const FIX: &str = "`guestlist directory setup` sets it or says what to add";

/// Checks the sign-in flows. A failed check is [`SignInGate::Unknown`].
pub async fn check(client: &Client) -> SignInGate {
    match ways_around(client).await {
        Ok(Some(ways)) if ways.is_empty() => SignInGate::Enforced,
        Ok(Some(ways)) => SignInGate::Open(ways),
        Ok(None) => SignInGate::Unknown(format!(
            "its service account may not read the sign-in flows; give it the role {VIEW_REALM} of the client \
             realm-management, or run `guestlist directory setup`"
        )),
        Err(failed) => SignInGate::Unknown(Error::from(failed).to_string()),
    }
}

/// Each way to sign in without the MFA check. `None`: the service account may not read the flows.
async fn ways_around(client: &Client) -> Result<Option<Vec<String>>, ClientError> {
    let realm: Value = client.call(Call::get(GET_REALM, &[])).await?.read()?;
    // Without the role, Keycloak shows only a few fields of the realm, without this one.
    if !GATES.iter().all(|gate| realm[gate.binding].is_string()) {
        return Ok(None);
    }
    let mut ways = Vec::new();
    for gate in &GATES {
        let flow = realm[gate.binding].as_str().unwrap_or_default();
        let missing = missing(gate, &read(client, flow).await?);
        if !missing.is_empty() {
            ways.push(format!(
                "the flow {flow:?} of the realm's {} does not check the MFA of guests{}; {FIX}",
                gate.flow,
                missing.after()
            ));
        }
    }
    let in_use: BTreeSet<&str> = GATES.iter().filter_map(|gate| realm[gate.binding].as_str()).collect();
    ways.extend(of_applications(client, &in_use).await?);
    Ok(Some(ways))
}

/// The applications that use another flow than the realm's.
async fn of_applications(client: &Client, in_use: &BTreeSet<&str>) -> Result<Vec<String>, ClientError> {
    // The console's endpoint: it lists the applications of a flow, without the right to read the applications
    // themselves.
    let flows: Vec<Value> =
        client.call(Call::get(FLOWS, &["ui-ext", "authentication-management", "flows"])).await?.read()?;
    let mut ways = Vec::new();
    let others = flows.iter().filter(|flow| !in_use.contains(flow["alias"].as_str().unwrap_or_default()));
    for flow in others.filter(|flow| flow["usedBy"]["type"] == "SPECIFIC_CLIENTS") {
        let (id, alias) = (flow["id"].as_str().unwrap_or_default(), flow["alias"].as_str().unwrap_or_default());
        let read = read(client, alias).await?;
        let gate = GATES.iter().find(|gate| read.0.step(gate.after).is_some()).unwrap_or(&GATES[0]);
        let missing = missing(gate, &read);
        if missing.is_empty() {
            continue;
        }
        let call = Call::get(FLOW_CLIENTS, &["ui-ext", "authentication-management", "clients", id]).page(0, NAMED);
        let mut names: Vec<String> = client.call(call).await?.read()?;
        names.sort();
        let more = if names.len() == NAMED { " and perhaps more" } else { "" };
        ways.push(format!(
            "the applications {}{more} use the flow {alias:?} for {} instead of the realm's, and it does not check the MFA of \
             guests{}; {FIX}",
            names.join(", "),
            gate.flow,
            missing.after()
        ));
    }
    Ok(ways)
}

type Flow = (Rows, BTreeMap<String, Value>);

fn missing(gate: &MfaGate, (rows, configs): &Flow) -> MissingFlow {
    gate.missing(rows, configs)
}

/// A flow, and the settings of its conditions.
async fn read(client: &Client, alias: &str) -> Result<Flow, ClientError> {
    let call = Call::get(FLOW_STEPS, &["authentication", "flows", alias, "executions"]);
    let rows = Rows(client.call(call).await?.read()?);
    let ids: Vec<String> = rows.configs().map(str::to_owned).collect();
    let config = async |id: String| {
        let path = ["authentication", "config", &id];
        let found = optional(client.call(Call::get(FLOW_CONFIG, &path)).await)?;
        let config: Value = found.map(|answer| answer.read()).transpose()?.unwrap_or_default();
        Ok::<_, ClientError>((id.clone(), config["config"].clone()))
    };
    let configs = stream::iter(ids).map(config).buffered(AT_ONCE).try_collect().await?;
    Ok((rows, configs))
}
