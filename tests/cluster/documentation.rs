//! The commands of the documentation on a real API server. "Getting started" is played in its order, as `howto.rs` plays
//! the how-to pages. Every other command of kubectl and Helm is one that the server accepts for the objects of the
//! documentation.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::controlplane::{self, ControlPlane};
use crate::support::docs::{Block, Invocation, blocks, blocks_of, invocations, read};
use crate::support::harness::Stage;
use crate::support::image::Image;
use crate::support::operator::{Operator, eventually};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const STARTED: &str = "docs/getting-started.md";

/// The block of a page that begins with a text.
pub fn block(page: &str, start: &str) -> Block {
    let found = blocks_of(page).into_iter().find(|block| block.text.starts_with(start));
    found.unwrap_or_else(|| panic!("{page} has no block that begins with {start:?}"))
}

/// A shell in the folder of the operator, with the variables that the demo prints.
pub fn shell(stage: &Stage, script: &str) -> (bool, String) {
    let built = Path::new(env!("CARGO_BIN_EXE_guestlist")).parent().unwrap();
    let programs = controlplane::programs();
    let path = format!("{}:{}:{}", built.display(), programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-euc", script])
        .current_dir(&stage.operator.folder)
        .env("PATH", path)
        .env("KUBECONFIG", stage.plane.kubeconfig())
        .env("HOME", &stage.operator.folder)
        .env("GUESTLIST_DIRECTORY", format!("sqlite:{}", stage.operator.database().display()))
        .env("GUESTLIST_WORKSPACE", stage.operator.folder.join("workspace.yaml"))
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Waits until the table of the objects has a row with all these words.
#[track_caller]
fn shows(stage: &Stage, object: &str, words: &[&str]) {
    eventually(&format!("{object} shows {words:?}"), || {
        let table = stage.plane.kubectl(&["--namespace", "partners", "get", object, "--no-headers"]);
        let has = words.iter().all(|word| table.stdout.split_whitespace().any(|cell| cell == *word));
        if has { Ok(()) } else { Err(format!("{}{}\n{}", table.stdout, table.stderr, stage.operator.log())) }
    });
}

#[test]
fn getting_started_runs_as_written() {
    let mut stage = Stage::prepare();
    stage.operator.policy(&read("examples/acme/workspace.yaml"));
    stage.operator.import(&read("examples/acme/directory.yaml"));
    stage.operator.start();
    fs::write(stage.operator.folder.join("nova.yaml"), block(STARTED, "apiVersion: guestlist.dev").text).unwrap();
    let runs = |start: &str| {
        let script = block(STARTED, start).text;
        let (success, said) = shell(&stage, &script);
        assert!(success, "{script}\n{said}\n{}", stage.operator.log());
        said
    };

    let said = runs("guestlist check nova.yaml");
    assert!(said.contains("partner") && said.contains("wendy"), "{said}");
    shows(&stage, "gm/trent", &["Invited"]);
    shows(&stage, "gm/wendy", &["Invited"]);
    shows(&stage, "share/nova-supplier", &["0/2"]);

    runs("guestlist directory accept trent@");
    shows(&stage, "gm/trent", &["Active"]);
    shows(&stage, "gm/wendy", &["Joined", "NotEnrolled"]);
    shows(&stage, "share/nova-supplier", &["1/2"]);
    assert_eq!(stage.operator.access("trent@nova.example"), ["supplier-portal:Manager"]);
    assert!(stage.operator.access("wendy@nova.example").is_empty());

    runs("guestlist directory enroll-mfa wendy@");
    shows(&stage, "share/nova-supplier", &["2/2"]);
    stage.operator.has_access("wendy@nova.example", &["supplier-portal:Collaborator"]);

    let (success, said) = shell(&stage, &block(STARTED, "kubectl --namespace partners patch gm wendy").text);
    assert!(!success && said.contains("MfaCannotBeWaived"), "{said}");
}

/// Commands that the API server refuses as written, with the reason: the page says so, or an earlier command of the page
/// is not in effect, because nothing is stored here.
const REFUSED: [(&str, &str); 6] = [
    ("kubectl create namespace ", "already exists"),
    ("kubectl --namespace partners patch gm wendy ", "MfaCannotBeWaived"),
    ("kubectl delete localpartners --all ", "DeletionBlocked"),
    ("kubectl delete accountshares,guestmemberships,localpartners --all ", "DeletionBlocked"),
    ("kubectl --namespace partners delete lp acme ", "DeletionBlocked"),
    ("kubectl delete crd ", "guestlist.dev/allow-deletion"),
];

#[test]
fn kubectl_and_helm_commands_of_the_documentation_fit() {
    let plane = ControlPlane::start();
    let folder = plane.dir().join("reader");
    prepare(&plane, &folder);
    let mut wrong = Vec::new();
    let mut checked = 0;
    for block in blocks("console") {
        for invocation in invocations(&block) {
            let Some((program, arguments)) = rehearsal(&invocation) else { continue };
            checked += 1;
            let output = plane.program(program).args(&arguments).current_dir(&folder).output().unwrap();
            let written = invocation.words.join(" ");
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            let refused = REFUSED.iter().find(|(command, _)| format!("{written} ").starts_with(command));
            let fits = match refused {
                Some((_, reason)) => !output.status.success() && said.contains(reason),
                // No operator runs, so nothing becomes Ready.
                None => output.status.success() || said.contains("condition not met"),
            };
            if !fits {
                wrong.push(format!("{}: {written}\n  {program} {}\n  {said}", invocation.place, arguments.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 30, "{checked}");
}

/// The objects and files that the pages speak of.
fn prepare(plane: &ControlPlane, folder: &Path) {
    fs::create_dir_all(folder.join("acme")).unwrap();
    for name in ["charts", "deploy"] {
        std::os::unix::fs::symlink(Path::new(ROOT).join(name), folder.join(name)).unwrap();
    }
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let nova = block(STARTED, "apiVersion: guestlist.dev").text;
    let readme = block("README.md", "apiVersion: guestlist.dev").text;
    write("nova.yaml", &nova);
    write("more-guests.yaml", &nova);
    write("acme/acme.yaml", &readme);
    write("acme/partner.yaml", &readme);
    write("values.yaml", &block(STARTED, "image:").text);
    write("guestlist.secret", "secret");
    write("ca.crt", "certificate");
    Image::built().package_chart(&folder.join("target/chart"));
    let namespaces = ["argocd", "guestlist", "partners"]
        .map(|name| format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"));
    plane.apply(&namespaces.concat());
    plane.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-cm, namespace: argocd}\n");
    let mut install = plane.program("helm");
    install.args(["install", "guestlist", "charts/guestlist", "--namespace", "guestlist", "--values", "values.yaml"]);
    let installed = install.current_dir(folder).output().unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    Operator::established(plane);
    plane.apply(&nova);
    plane.apply(&readme);
    // The admission policy is in force a moment after it was stored.
    eventually("the deletion of a partner with guests is refused", || {
        let said = plane.kubectl(&["--namespace", "partners", "delete", "lp", "acme", "--dry-run=server"]);
        if said.success { Err(said.stdout) } else { Ok(()) }
    });
}

/// The command in the form that changes nothing here. `None`: it is not a command of kubectl or Helm, or reads another
/// command's output.
fn rehearsal(invocation: &Invocation) -> Option<(&'static str, Vec<String>)> {
    let program = ["kubectl", "helm"].into_iter().find(|program| invocation.words[0] == **program)?;
    let mut arguments = invocation.words[1..].to_vec();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    if has("-") {
        return None;
    }
    let verbs = |verbs: &[&str]| verbs.iter().any(|verb| has(verb));
    let extra = match program {
        "helm" if has("install") => "--dry-run=client",
        "helm" if has("upgrade") => "--dry-run=server",
        "helm" if has("uninstall") => "--dry-run",
        // These need pods, so only their options are checked.
        "kubectl" if verbs(&["exec", "port-forward", "rollout"]) => "--help",
        "kubectl" if has("wait") => "--timeout=0s",
        "kubectl" if verbs(&["apply", "patch", "annotate", "create", "delete", "scale"]) => "--dry-run=server",
        "kubectl" => "--request-timeout=30s",
        _ => "--help",
    };
    let end = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    arguments.insert(end, extra.to_owned());
    Some((program, arguments))
}
