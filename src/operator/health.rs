//! Health, readiness and metrics over HTTP. Labels have a fixed set of values, never names of objects.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::engine::EngineHealth;
use crate::executor::metrics::Metrics;

/// The state behind the probes and the metrics.
#[derive(Clone, Default)]
pub struct Health {
    condition: Arc<RwLock<EngineHealth>>,
    /// The operator's metrics.
    pub metrics: Arc<Metrics>,
}

impl Health {
    /// Updates the state.
    pub fn set(&self, condition: &EngineHealth) {
        let mut stored = self.condition.write().unwrap_or_else(PoisonError::into_inner);
        if *stored != *condition {
            stored.clone_from(condition);
            self.metrics.readiness(condition);
        }
    }

    /// The readiness status and its explanation.
    pub(super) fn answer(&self) -> (StatusCode, String) {
        let condition = self.condition.read().unwrap_or_else(PoisonError::into_inner);
        let missing = condition.missing();
        let (code, mut text) = match &condition.led_by {
            Some(leader) => (StatusCode::OK, format!("ok: standby for {leader}\n")),
            None if missing.is_empty() => {
                let notes = condition.notes().into_iter().map(|note| format!("note: {note}\n"));
                (StatusCode::OK, "ok\n".to_owned() + &notes.collect::<String>())
            }
            None => (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n"),
        };
        let warnings = condition.warnings.iter().cloned().chain(condition.sign_in.warnings());
        text.extend(warnings.map(|warning| format!("warning: {warning}\n")));
        (code, text)
    }

    /// Serves probes or metrics, or both, on an address until the process ends.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on.
    pub async fn serve(self, address: SocketAddr, probes: bool, metrics: bool) -> Result<(), String> {
        let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| {
            format!("failed to listen on {address}: {error}; choose another with --health-address or --metrics-address")
        })?;
        let mut router = Router::new();
        if probes {
            router = router.route("/healthz", get(async || "ok\n")).route("/readyz", get(ready));
        }
        if metrics {
            router = router.route("/metrics", get(scrape));
        }
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router.with_state(self)).await {
                tracing::error!(%error, "failed to serve {address}");
            }
        });
        Ok(())
    }
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    health.answer()
}

async fn scrape(State(health): State<Health>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], health.metrics.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::SignInGate;

    #[test]
    fn warning_is_reported_and_does_not_make_unready() {
        let health = Health::default();
        let warnings = vec!["the clock is ahead".to_owned()];
        let condition = EngineHealth { directory: true, warnings, ..EngineHealth::default() };
        health.set(&condition);
        assert_eq!(health.answer(), (StatusCode::OK, "ok\nwarning: the clock is ahead\n".to_owned()));
        health.set(&EngineHealth { directory: false, ..condition });
        let (code, text) = health.answer();
        assert!(code == StatusCode::SERVICE_UNAVAILABLE && text.ends_with("warning: the clock is ahead\n"), "{text}");
    }

    #[test]
    fn open_sign_in_is_named_while_ready_and_counted() {
        let health = Health::default();
        let mut condition = EngineHealth { directory: true, ..EngineHealth::default() };
        health.set(&condition);
        assert_eq!(health.answer(), (StatusCode::OK, "ok\n".to_owned()));
        condition.sign_in = SignInGate::Open(vec!["the flow \"corporate\" does not".to_owned()]);
        health.set(&condition);
        let said = "ok\nwarning: sign-in does not enforce MFA: the flow \"corporate\" does not\n";
        assert_eq!(health.answer(), (StatusCode::OK, said.to_owned()));
        let metrics = health.metrics.text();
        for line in ["sign_in_gate{state=\"open\"} 1", "sign_in_gate{state=\"enforced\"} 0"] {
            assert!(metrics.contains(line), "{metrics}");
        }
    }
}
