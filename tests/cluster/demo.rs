//! The demo runs, leaves nothing behind, and prints the lines that the README shows.

use std::path::Path;
use std::process::Command;

use crate::support::controlplane;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A line without the parts that vary between runs: spaces, ages, folders, colours.
fn plain(line: &str) -> String {
    let word = |word: &str| {
        let age = word.strip_suffix('s').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        let file = Path::new(word).file_name().filter(|_| word.starts_with('/'));
        let time = word.trim_end_matches(['.', ',']).parse::<jiff::Timestamp>().is_ok();
        if age || time {
            "TIME".to_owned()
        } else {
            file.map_or(word.to_owned(), |file| file.to_string_lossy().into_owned())
        }
    };
    let line = line.replace("\u{1b}[36m", "").replace("\u{1b}[0m", "");
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// The README's terminal output, without the initial commands that people type.
fn transcripts() -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let of = |fence: &'static str| readme.split(fence).skip(1).filter_map(|rest| rest.split("```").next());
    let blocks = of("```console\n").chain(of("```text\n"));
    let shown = blocks.filter(|block| !block.starts_with("make ") && !block.starts_with("helm "));
    shown.flat_map(str::lines).filter(|line| *line != "..." && !line.is_empty()).map(str::to_owned).collect()
}

/// Processes that run from this folder or use its files.
pub(crate) fn running(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(folder.to_str().unwrap()) {
            found.push(command);
        }
    }
    found
}

#[test]
fn demo_prints_the_readme_transcripts_and_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let programs = tempfile::tempdir().unwrap();
    // `make demo` builds no other programs.
    for program in ["controlplane", "etcd", "kube-apiserver", "kubectl"] {
        std::os::unix::fs::symlink(controlplane::programs().join(program), programs.path().join(program)).unwrap();
    }
    let built = Path::new(env!("CARGO_BIN_EXE_guestlist")).parent().unwrap();
    let demo = Command::new(Path::new(ROOT).join("examples/demo.sh"))
        .env("GUESTLIST_BUILT", built)
        .env("GUESTLIST_CONTROLPLANE", programs.path())
        .env("TMPDIR", folder.path())
        .env_remove("KEEP")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&demo.stdout).into_owned();
    assert!(demo.status.success(), "{said}\n{}", String::from_utf8_lossy(&demo.stderr));
    let lines: Vec<String> = said.lines().map(plain).collect();
    let missing: Vec<String> = transcripts().into_iter().filter(|shown| !lines.contains(&plain(shown))).collect();
    assert_eq!(missing, Vec::<String>::new(), "the README shows what the demo did not say:\n{said}");
    assert!(transcripts().len() > 20);
    assert_eq!(running(folder.path()), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "files are left in {}", folder.path().display());
}

#[test]
fn permissions_of_the_demo_are_those_of_the_chart() {
    let mut helm = Command::new(controlplane::programs().join("helm"));
    let chart = format!("{ROOT}/charts/guestlist");
    let templates = ["--show-only=templates/rbac.yaml", "--show-only=templates/deletion-policy.yaml"];
    let rendered =
        helm.args(["template", "guestlist", &chart, "--namespace=guestlist"]).args(templates).output().unwrap();
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let committed = std::fs::read_to_string(Path::new(ROOT).join("examples/chart-without-pods.yaml")).unwrap();
    assert_eq!(committed, String::from_utf8(rendered.stdout).unwrap(), "run make generate");
}
