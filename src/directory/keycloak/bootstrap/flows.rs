//! Sets the gates up: copies of Keycloak's own flows, completed first and used then. A flow that somebody chose for the realm
//! is his: he is told what to add.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::super::Fault;
use super::super::client::Call;
use super::admin::{Admin, endpoint, text};
use super::gate::{GATES, Gate, Rows, Step};

const EXECUTIONS: &str = "GET authentication/flows/{alias}/executions";
const PASSKEY: &str = "webauthn-authenticator";

/// All three gates, and who goes around them.
pub async fn gates(admin: &mut Admin<'_>) -> Result<(), Fault> {
    let realm = admin.get("GET realm", &[]).await?;
    for gate in &GATES {
        let used = realm[gate.binding].as_str().unwrap_or(gate.original);
        if used != gate.original && used != gate.copy {
            admin.by_hand(&gate.by_hand(used));
            continue;
        }
        let before = admin.writes();
        let is_whole = complete(admin, gate).await?;
        if is_whole && used != gate.copy {
            admin.write(Call::put(endpoint("PUT realm"), &[]).json(json!({gate.binding: gate.copy}))).await?;
        }
        if is_whole {
            admin.settled_since(before, &format!("{} (flow {:?})", gate.what, gate.copy));
        }
    }
    own_ways(admin).await
}

/// The copy with its gate. Whether it is whole: where it is not, a person was told.
async fn complete(admin: &mut Admin<'_>, gate: &Gate) -> Result<bool, Fault> {
    let flows = admin.list("GET authentication/flows", &["authentication", "flows"]).await?;
    if !flows.iter().any(|flow| flow["alias"] == gate.copy) {
        let path = ["authentication", "flows", gate.original, "copy"];
        let call = Call::post(endpoint("POST authentication/flows/{alias}/copy"), &path);
        admin.write(call.json(json!({"newName": gate.copy}))).await?;
        if admin.is_rehearsal() {
            return Ok(true);
        }
    }
    let rows = rows(admin, gate).await?;
    let within = match gate.beside {
        None => Some(gate.copy),
        Some(step) => rows.flow_with(step, gate.sub_flow),
    };
    let factor = gate.factor.map(|step| rows.flow_with(step, gate.sub_flow));
    let (Some(within), None | Some(Some(_))) = (within, factor) else {
        admin.by_hand(&gate.by_hand(gate.copy));
        return Ok(false);
    };
    let factor = factor.flatten();
    if let Some(passkey) = rows.step(PASSKEY).filter(|row| gate.passkeys && row["requirement"] == "DISABLED") {
        require(admin, gate, passkey, "ALTERNATIVE").await?;
    }
    if rows.flow(gate.sub_flow).is_none() {
        let path = ["authentication", "flows", within, "executions", "flow"];
        let body = json!({"alias": gate.sub_flow, "type": "basic-flow", "description": gate.what, "provider": "registration-page-form"});
        admin
            .write(Call::post(endpoint("POST authentication/flows/{alias}/executions/flow"), &path).json(body))
            .await?;
        if admin.is_rehearsal() {
            return Ok(true);
        }
    }
    let steps = gate.steps(factor);
    for step in &steps {
        stand(admin, gate, step).await?;
    }
    let rows = self::rows(admin, gate).await?;
    // Last: a gate without its conditions would stand in everybody's way.
    if let Some(flow) = rows.flow(gate.sub_flow).filter(|flow| flow["requirement"] != "CONDITIONAL") {
        require(admin, gate, flow, "CONDITIONAL").await?;
    }
    for row in rows.steps_of(gate.sub_flow) {
        let provider = text(row, "providerId");
        if !steps.iter().any(|step| step.provider == provider) {
            admin.by_hand(&format!(
                "the sub-flow {:?} of {:?} has a step that guestlist did not put there, {:?}: see that it lets nobody through",
                gate.sub_flow,
                gate.copy,
                text(row, "displayName")
            ));
        }
    }
    Ok(true)
}

async fn rows(admin: &Admin<'_>, gate: &Gate) -> Result<Rows, Fault> {
    Ok(Rows(admin.list(EXECUTIONS, &["authentication", "flows", gate.copy, "executions"]).await?))
}

async fn require(admin: &mut Admin<'_>, gate: &Gate, row: &Value, requirement: &str) -> Result<(), Fault> {
    let mut row = row.clone();
    row["requirement"] = requirement.into();
    let path = ["authentication", "flows", gate.copy, "executions"];
    admin.write(Call::put(endpoint("PUT authentication/flows/{alias}/executions"), &path).json(row)).await?;
    Ok(())
}

/// One step of a gate: there, required, and set as it should be.
async fn stand(admin: &mut Admin<'_>, gate: &Gate, step: &Step) -> Result<(), Fault> {
    let find = |rows: &Rows| {
        rows.steps_of(gate.sub_flow).into_iter().find(|row| text(row, "providerId") == step.provider).cloned()
    };
    let mut row = find(&rows(admin, gate).await?);
    if row.is_none() {
        let path = ["authentication", "flows", gate.sub_flow, "executions", "execution"];
        let call = Call::post(endpoint("POST authentication/flows/{alias}/executions/execution"), &path);
        admin.write(call.json(json!({"provider": step.provider}))).await?;
        row = find(&rows(admin, gate).await?);
    }
    // Only in a rehearsal there is none.
    let Some(row) = row else { return Ok(()) };
    if let Some((name, wanted)) = &step.config {
        configure(admin, &row, name, wanted).await?;
    }
    if row["requirement"] != "REQUIRED" {
        // Read again: what it was set to is part of the row.
        let row = find(&rows(admin, gate).await?).unwrap_or(row);
        require(admin, gate, &row, "REQUIRED").await?;
    }
    Ok(())
}

async fn configure(admin: &mut Admin<'_>, row: &Value, name: &str, wanted: &Value) -> Result<(), Fault> {
    let id = text(row, "authenticationConfig");
    if id.is_empty() {
        let path = ["authentication", "executions", text(row, "id"), "config"];
        let call = Call::post(endpoint("POST authentication/executions/{id}/config"), &path);
        admin.write(call.json(json!({"alias": name, "config": wanted}))).await?;
        return Ok(());
    }
    let path = ["authentication", "config", id];
    let mut known = admin.get("GET authentication/config/{id}", &path).await?;
    let is_so = wanted.as_object().into_iter().flatten().all(|(key, value)| known["config"][key] == *value);
    if !is_so {
        known["config"] = wanted.clone();
        admin.write(Call::put(endpoint("PUT authentication/config/{id}"), &path).json(known)).await?;
    }
    Ok(())
}

/// Applications with a flow of their own go around the realm's.
async fn own_ways(admin: &mut Admin<'_>) -> Result<(), Fault> {
    let flows = admin.list("GET authentication/flows", &["authentication", "flows"]).await?;
    let names: BTreeMap<&str, &str> = flows.iter().map(|flow| (text(flow, "id"), text(flow, "alias"))).collect();
    for client in admin.pages("GET clients", &["clients"]).await? {
        for (sort, flow) in client["authenticationFlowBindingOverrides"].as_object().into_iter().flatten() {
            let flow = flow.as_str().unwrap_or_default();
            let name = names.get(flow).copied().unwrap_or(flow);
            if flow.is_empty() || GATES.iter().any(|gate| gate.copy == name) {
                continue;
            }
            let gate = if sort == "direct_grant" { &GATES[1] } else { &GATES[0] };
            admin.by_hand(&format!(
                "application {:?} goes around the realm's flow by one of its own ({name:?}, its advanced settings): choose \
                 {:?} there, or see that {}",
                text(&client, "clientId"),
                gate.copy,
                gate.what
            ));
        }
    }
    Ok(())
}
