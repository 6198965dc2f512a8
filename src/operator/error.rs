//! Describes errors of the Kubernetes client for people, without the client's internals.

use std::error::Error;

use kube::config::KubeconfigError;

/// A failed call, as a part of a sentence.
#[expect(clippy::wildcard_enum_match_arm, reason = "kube has many errors, and may add more")]
pub fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.message.is_empty() => format!("the API server answered {}", status.code),
        kube::Error::Api(status) => status.message.clone(),
        kube::Error::Service(error) => format!("no answer from the API server: {}", chain(error.as_ref())),
        kube::Error::HyperError(error) => format!("no answer from the API server: {}", chain(error)),
        error => chain(error),
    }
}

/// Describes why a kubeconfig names no cluster. Omits the parser's excerpt of an invalid kubeconfig, because it can
/// contain tokens.
pub fn no_cluster(error: &KubeconfigError) -> String {
    let KubeconfigError::Parse(error) = error else { return chain(error) };
    let place = error.location().map(|at| format!(" at line {}, column {}", at.line(), at.column()));
    format!("it is no kubeconfig{}", place.unwrap_or_default())
}

/// An error and its causes, without repetitions.
pub fn chain(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = error.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_description_names_causes_and_no_internals() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(
            describe(&kube::Error::Service(Box::new(refused))),
            "no answer from the API server: connection refused"
        );
        let mut status = kube::core::Status::failure("leases is forbidden", "Forbidden");
        assert_eq!(describe(&kube::Error::Api(Box::new(status.clone()))), "leases is forbidden");
        status.message.clear();
        assert_eq!(describe(&kube::Error::Api(Box::new(status.with_code(503)))), "the API server answered 503");
    }
}
