//! Sets up the MFA sub-flows in copies of Keycloak's own flows: completes a copy first, then binds it. A flow that an
//! administrator chose stays; setup reports the sub-flows to add.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::super::Error;
use super::super::client::Call;
use super::admin::{Admin, endpoint, text};
use super::mfa_flows::{FlowStep, GATES, KEY, MfaGate, Rows, SubFlow};

const EXECUTIONS: &str = "GET authentication/flows/{alias}/executions";

/// Sets up all three flows, and reports applications that use other ones.
pub async fn set_up_flows(admin: &mut Admin<'_>) {
    for gate in &GATES {
        let done = set_up_flow(admin, gate).await;
        admin.step_result(gate.flow, done);
    }
    let done = flows_of_applications(admin).await;
    admin.step_result("the flows of applications", done);
}

/// Sets up one flow: the flow that an administrator chose is only checked; otherwise the realm uses the copy from now
/// on.
async fn set_up_flow(admin: &mut Admin<'_>, gate: &MfaGate) -> Result<(), Error> {
    let realm = admin.get("GET realm", &[]).await?;
    let used = realm[gate.binding].as_str().unwrap_or(gate.original);
    let before = admin.writes();
    let is_whole = complete(admin, gate).await?;
    if used != gate.original && used != gate.copy {
        if admin.writes() > before {
            admin.done(false, &format!("the flow {:?} shows the sub-flows that guests need", gate.copy));
        }
        let rows = rows(admin, used).await?;
        let missing = gate.missing(&rows, &configs(admin, &rows).await?);
        if missing.is_empty() {
            admin.done(true, &format!("{} (flow {used:?})", gate.what));
        } else {
            admin.by_hand(&gate.by_hand(used, &missing));
        }
        return Ok(());
    }
    if is_whole && used != gate.copy {
        admin.write(Call::put(endpoint("PUT realm"), &[]).json(json!({gate.binding: gate.copy}))).await?;
    }
    if is_whole {
        admin.done_since(before, &format!("{} (flow {:?})", gate.what, gate.copy));
    }
    Ok(())
}

/// Completes the copy with its sub-flows. Returns whether it is complete; missing parts are reported.
async fn complete(admin: &mut Admin<'_>, gate: &MfaGate) -> Result<bool, Error> {
    let flows = admin.list("GET authentication/flows", &["authentication", "flows"]).await?;
    if !flows.iter().any(|flow| flow["alias"] == gate.copy) {
        let path = ["authentication", "flows", gate.original, "copy"];
        let call = Call::post(endpoint("POST authentication/flows/{alias}/copy"), &path);
        admin.write(call.json(json!({"newName": gate.copy}))).await?;
        if admin.is_rehearsal() {
            return Ok(true);
        }
    }
    let rows = rows(admin, gate.copy).await?;
    if rows.step(gate.after).is_none() {
        admin.by_hand(&format!(
            "the flow {:?} no longer has the step {:?}: delete the flow and run setup again",
            gate.copy, gate.after
        ));
        return Ok(false);
    }
    if let Some(key) = rows.step(KEY).filter(|row| gate.keys && row["requirement"] == "DISABLED") {
        require(admin, gate, key, "ALTERNATIVE").await?;
    }
    let within = rows.flow_with(gate.after).unwrap_or(gate.copy).to_owned();
    for sub_flow in gate.sub_flows {
        add(admin, gate, sub_flow, &within).await?;
    }
    if admin.is_rehearsal() {
        return Ok(true);
    }
    let rows = self::rows(admin, gate.copy).await?;
    let missing = gate.missing(&rows, &configs(admin, &rows).await?);
    if !missing.is_empty() {
        admin.by_hand(&gate.by_hand(gate.copy, &missing));
    }
    Ok(missing.is_empty())
}

/// Adds one sub-flow with its steps, and enables it once it is complete.
async fn add(admin: &mut Admin<'_>, gate: &MfaGate, sub_flow: &SubFlow, within: &str) -> Result<(), Error> {
    if rows(admin, gate.copy).await?.flow(sub_flow.name).is_none() {
        let path = ["authentication", "flows", within, "executions", "flow"];
        let body = json!({"alias": sub_flow.name, "type": "basic-flow", "description": gate.what, "provider": "registration-page-form"});
        let call = Call::post(endpoint("POST authentication/flows/{alias}/executions/flow"), &path);
        admin.write(call.json(body)).await?;
        if admin.is_rehearsal() {
            return Ok(());
        }
    }
    let steps = sub_flow.all_steps();
    let mut used = Vec::new();
    for step in &steps {
        used.extend(ensure_step(admin, gate, sub_flow, step, &steps).await?);
    }
    let rows = rows(admin, gate.copy).await?;
    // Last: a sub-flow without its conditions would apply to every user.
    if let Some(flow) = rows.flow(sub_flow.name).filter(|flow| flow["requirement"] != "CONDITIONAL") {
        require(admin, gate, flow, "CONDITIONAL").await?;
    }
    let others = rows.steps_of(sub_flow.name).into_iter().filter(|row| row["requirement"] != "DISABLED");
    for row in others.filter(|row| !used.iter().any(|id| id == text(row, "id"))) {
        admin.by_hand(&format!(
            "the sub-flow {:?} of {:?} has a step that guestlist did not add, {:?}: check that no guest signs in without MFA through it",
            sub_flow.name,
            gate.copy,
            text(row, "displayName")
        ));
    }
    Ok(())
}

async fn rows(admin: &Admin<'_>, flow: &str) -> Result<Rows, Error> {
    Ok(Rows(admin.list(EXECUTIONS, &["authentication", "flows", flow, "executions"]).await?))
}

/// The settings of a flow's steps, by their identifiers.
async fn configs(admin: &Admin<'_>, rows: &Rows) -> Result<BTreeMap<String, Value>, Error> {
    let mut found = BTreeMap::new();
    for id in rows.configs() {
        let config = admin.get("GET authentication/config/{id}", &["authentication", "config", id]).await?;
        found.insert(id.to_owned(), config["config"].clone());
    }
    Ok(found)
}

async fn require(admin: &mut Admin<'_>, gate: &MfaGate, row: &Value, requirement: &str) -> Result<(), Error> {
    let mut row = row.clone();
    row["requirement"] = requirement.into();
    let path = ["authentication", "flows", gate.copy, "executions"];
    admin.write(Call::put(endpoint("PUT authentication/flows/{alias}/executions"), &path).json(row)).await?;
    Ok(())
}

/// Ensures one step of a sub-flow, with its requirement and settings. Returns its row.
async fn ensure_step(
    admin: &mut Admin<'_>,
    gate: &MfaGate,
    sub_flow: &SubFlow,
    step: &FlowStep,
    all: &[FlowStep],
) -> Result<Option<String>, Error> {
    let find = |rows: &Rows| rows.step_in(sub_flow.name, step, all).cloned();
    let mut row = find(&rows(admin, gate.copy).await?);
    if row.is_none() {
        let path = ["authentication", "flows", sub_flow.name, "executions", "execution"];
        let call = Call::post(endpoint("POST authentication/flows/{alias}/executions/execution"), &path);
        admin.write(call.json(json!({"provider": step.provider}))).await?;
        row = find(&rows(admin, gate.copy).await?);
    }
    // The row is missing only in a rehearsal.
    let Some(row) = row else { return Ok(None) };
    if let Some((name, wanted)) = &step.config {
        configure(admin, &row, name, wanted).await?;
    }
    if row["requirement"] != step.requirement {
        // Read again, because the row contains the new setting.
        let row = find(&rows(admin, gate.copy).await?).unwrap_or_else(|| row.clone());
        require(admin, gate, &row, step.requirement).await?;
    }
    Ok(Some(text(&row, "id").to_owned()))
}

async fn configure(admin: &mut Admin<'_>, row: &Value, name: &str, wanted: &Value) -> Result<(), Error> {
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
    if !is_so || known["alias"] != *name {
        known["alias"] = name.into();
        known["config"] = wanted.clone();
        admin.write(Call::put(endpoint("PUT authentication/config/{id}"), &path).json(known)).await?;
    }
    Ok(())
}

/// Reports applications that use a flow of their own instead of the realm's.
async fn flows_of_applications(admin: &mut Admin<'_>) -> Result<(), Error> {
    let flows = admin.list("GET authentication/flows", &["authentication", "flows"]).await?;
    let names: BTreeMap<&str, &str> = flows.iter().map(|flow| (text(flow, "id"), text(flow, "alias"))).collect();
    for client in admin.pages("GET clients", &["clients"]).await? {
        for gate in &GATES {
            let Some(sort) = gate.overridden else { continue };
            let flow = text(&client["authenticationFlowBindingOverrides"], sort);
            let Some(name) = names.get(flow) else { continue };
            let rows = rows(admin, name).await?;
            let missing = gate.missing(&rows, &configs(admin, &rows).await?);
            if *name == gate.copy || missing.is_empty() {
                continue;
            }
            admin.by_hand(&format!(
                "application {:?} uses the flow {name:?} for {} (its advanced settings), which does not check the MFA of \
                 guests{}: choose {:?} there; so that {}",
                text(&client, "clientId"),
                gate.flow,
                missing.after(),
                gate.copy,
                gate.what
            ));
        }
    }
    Ok(())
}
