//! The manifests of the chart for its main shapes, and the values that it refuses. Needs helm, and no cluster.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{CHART, SHAPES, deployment, document, documents, helm, rendered, values};
use crate::support::controlplane::run_built;

/// The documents by kind and name, as snapshots have them: without the version, the text of embedded files, and the CRDs.
fn by_name(shape: &str) -> BTreeMap<String, String> {
    let named = documents(&rendered(shape)).into_iter().map(|text| {
        let value = document(&text);
        let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
        let embedded = [("spec:\n  groups:", "alerts.yaml"), ("  guestlist.json: |", "dashboard.json")];
        let text = embedded.iter().fold(text, |text, (begin, file)| match text.split_once(begin) {
            Some((before, _)) => format!("{before}(files/{file})\n"),
            None => text,
        });
        let (kind, name) = (value["kind"].as_str().unwrap(), value["metadata"]["name"].as_str().unwrap());
        let namespace = value["metadata"]["namespace"].as_str().filter(|namespace| *namespace != "guestlist");
        let elsewhere = namespace.map(|namespace| format!(" in {namespace}")).unwrap_or_default();
        (format!("{kind} {name}{elsewhere}"), text)
    });
    named.filter(|(name, _)| !name.starts_with("CustomResourceDefinition ")).collect()
}

/// The documents that differ from those of the default values, and the names of those that are gone.
fn differences(shape: &str) -> String {
    let (default, shape) = (by_name("default"), by_name(shape));
    let gone = default.keys().filter(|name| !shape.contains_key(*name)).map(|name| format!("# Without {name}\n"));
    let changed = shape.iter().filter(|(name, text)| default.get(*name) != Some(text)).map(|(_, text)| text.clone());
    gone.chain(changed).collect::<Vec<_>>().join("---\n")
}

#[test]
fn default_values_render_one_operator() {
    insta::assert_snapshot!(by_name("default").into_values().collect::<Vec<_>>().join("---\n"));
}

#[test]
fn keycloak_with_two_replicas_renders_a_standby() {
    insta::assert_snapshot!(differences("keycloak"));
}

#[test]
fn monitoring_renders_its_objects() {
    insta::assert_snapshot!(differences("monitoring"));
}

#[test]
fn network_policy_renders_by_default_for_any_address() {
    insta::assert_snapshot!(differences("network-policy"));
}

#[test]
fn objects_that_exist_are_not_rendered() {
    insta::assert_snapshot!(differences("given"));
}

#[test]
fn watched_namespaces_render_roles_of_their_own() {
    insta::assert_snapshot!(differences("namespaces"));
}

#[test]
fn everything_renders() {
    insta::assert_snapshot!(differences("everything"));
}

#[test]
fn alerts_and_dashboard_are_embedded_unchanged() {
    let all: Vec<Value> = documents(&rendered("monitoring")).iter().map(|text| document(text)).collect();
    let find = |kind: &str, name: &str| all.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    let file = |name: &str| std::fs::read_to_string(format!("{CHART}/files/{name}")).unwrap();
    let mut rules = find("PrometheusRule", "guestlist").unwrap()["spec"].clone();
    assert_eq!(rules["groups"][0].as_object_mut().unwrap().remove("interval").unwrap(), "15s");
    assert_eq!(rules, document(&file("alerts.yaml")));
    let dashboard = find("ConfigMap", "guestlist-dashboard").unwrap()["data"]["guestlist.json"].as_str().unwrap();
    assert_eq!(dashboard.trim(), file("dashboard.json").trim());
    serde_json::from_str::<Value>(dashboard).unwrap();
}

#[test]
fn monitoring_is_skipped_where_its_api_is_missing() {
    let file = format!("--values={}", values("monitoring"));
    let said = helm(&["template", "guestlist", CHART, &file]).ok();
    assert!(said.contains("guestlist-dashboard") && !said.contains("monitoring.coreos.com"), "{said}");
}

#[test]
fn openshift_assigns_the_users_of_the_pod() {
    let show = "--show-only=templates/deployment.yaml";
    let said = helm(&["template", "guestlist", CHART, show, "--api-versions=security.openshift.io/v1"]).ok();
    let context = &deployment(&said)["spec"]["template"]["spec"]["securityContext"];
    let expected = serde_json::json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    assert_eq!(context, &expected);
}

#[test]
fn log_level_changes_its_config_map_and_nothing_else() {
    let all = |level: &str| {
        let level = format!("--set-literal=logLevel={level}");
        documents(&helm(&["template", "guestlist", CHART, "--namespace=guestlist", &level]).ok())
    };
    let (before, after) = (all("info"), all("info,guestlist::engine=debug"));
    assert_eq!(before.len(), after.len());
    let changed: Vec<Value> =
        before.iter().zip(&after).filter(|(before, after)| before != after).map(|(_, text)| document(text)).collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!((&changed[0]["kind"], &changed[0]["metadata"]["name"]), (&"ConfigMap".into(), &"guestlist-log".into()));
    assert_eq!(changed[0]["data"], serde_json::json!({"log-level": "info,guestlist::engine=debug"}));
}

#[test]
fn image_has_its_tag_unless_a_digest_is_set() {
    let image = |set: &str| {
        let arguments = ["template", "guestlist", CHART, "--set=image.repository=registry.example/guestlist", set];
        let pod = &deployment(&helm(&arguments).ok())["spec"]["template"]["spec"];
        pod["containers"][0]["image"].as_str().unwrap().to_owned()
    };
    let digest = format!("sha256:{}", "0a".repeat(32));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(image("--set=replicas=1"), format!("registry.example/guestlist:{version}"));
    assert_eq!(image("--set=image.tag=edge"), "registry.example/guestlist:edge");
    assert_eq!(
        image(&format!("--set=image.tag=edge,image.digest={digest}")),
        format!("registry.example/guestlist@{digest}")
    );
}

#[test]
fn lint_accepts_each_shape() {
    for (name, _) in SHAPES {
        let said = helm(&["lint", "--strict", CHART, &format!("--values={}", values(name))]);
        assert!(said.success, "{name}: {}{}", said.stdout, said.stderr);
    }
}

#[test]
fn examples_of_the_readme_render() {
    let readme = std::fs::read_to_string(format!("{CHART}/README.md")).unwrap();
    let examples: Vec<_> = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 3, "{examples:?}");
    for example in examples {
        run_built("helm", &["template", "guestlist", CHART, "--values=-"], example).ok();
    }
}

#[test]
fn values_that_cannot_work_are_refused_with_the_reason() {
    let realm = "--set=directory=keycloak:https://id.host.example#workspace";
    let cases: [(&[&str], &str); 17] = [
        (&["--set=replicas=2"], "the embedded directory (sqlite:) has one writer"),
        (&["--set=serviceAccount.create=false"], "the name of an existing service account"),
        (&[realm], "keycloak.existingSecret must name a Secret"),
        (&["--set=directory=keycloak:https://id.host.example"], "/directory"),
        (&["--set=workspace.tenant=x"], "'tenant'"),
        (&["--set=extraArgs={--directory=sqlite:/x}"], "an option that the chart does not set itself"),
        (&["--set=extraArgs={workers=3}"], "/extraArgs/0"),
        (&["--set=extraArgs={--log-level=debug}"], "the value logLevel sets it"),
        (&["--set=extraArgs={--log-level-file=/x}"], "the value logLevel sets it"),
        (&["--set=logLevel=verbose"], "/logLevel"),
        (&["--set=extraArgs={--namespace=team-a}"], "an option that the chart does not set itself"),
        (&["--set=watchNamespaces={Team}"], "/watchNamespaces/0"),
        (&["--set=watchNamespaces={a,a}"], "/watchNamespaces"),
        (&["--set=podLabels.app\\.kubernetes\\.io/name=x"], "a label that the chart does not set itself"),
        (&["--set=commonLabels.helm\\.sh/chart=x"], "helm.sh/chart"),
        (&["--set-json=networkPolicy.apiServer.ports=[]"], "/networkPolicy/apiServer/ports"),
        (&["--set=image.digest=0.1.0"], "/image/digest"),
    ];
    for (arguments, words) in cases {
        let said = helm(&[&["template", "guestlist", CHART], arguments].concat()).refused();
        assert!(said.contains(words), "{arguments:?} says {said}");
    }
    helm(&["template", "guestlist", CHART, "--set=replicas=0"]).ok();
}

#[test]
fn realm_port_of_the_policy_is_that_of_the_url() {
    for (url, port) in [
        ("https://id.host.example#r", 443),
        ("http://id.host.example/auth#r", 80),
        ("https://id.host.example:8443/auth#r", 8443),
        ("https://[fd00::1]#r", 443),
        ("https://[fd00::1]:9443#r", 9443),
    ] {
        let directory = format!("--set=directory=keycloak:{url}");
        let arguments = ["--set=keycloak.existingSecret=s", "--set=networkPolicy.enabled=true"];
        let show = "--show-only=templates/network-policy.yaml";
        let said = helm(&[&["template", "guestlist", CHART, &directory, show], &arguments[..]].concat()).ok();
        let policy: Value = document(&said);
        assert_eq!(policy["spec"]["egress"][2]["ports"][0]["port"], port, "{url}");
    }
}
