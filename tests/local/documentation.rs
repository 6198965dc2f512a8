//! Commands and files that the documentation shows: commands are ones that guestlist knows, and files can be used.
//! `tests/cluster/documentation.rs` has the commands of kubectl and Helm, and plays "Getting started".

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::error::ErrorKind;

use crate::support::docs::{Block, blocks, blocks_of, inline_commands, invocations, pages, read, shell};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn blocks_of_commands_have_commands_that_exist() {
    let makefile = read("Makefile");
    let mut checked = 0;
    for block in blocks("console") {
        let invocations = invocations(&block);
        assert!(!invocations.is_empty(), "{}, {}: output needs the language text", block.page, block.heading);
        for invocation in invocations {
            let (place, words) = (&invocation.place, &invocation.words);
            match words[0].as_str() {
                "guestlist" => {
                    let mut words = words.clone();
                    // The block may set a variable for a required option.
                    if block.text.contains("GUESTLIST_WORKSPACE=") && ["plan", "apply"].contains(&words[1].as_str()) {
                        words.extend(["--workspace", "workspace.yaml"].map(str::to_owned));
                    }
                    let known = guestlist::cli::check_arguments(&words);
                    assert!(known.is_ok(), "{place}: {}", known.unwrap_err());
                    checked += 1;
                }
                "make" => {
                    let target = format!("\n{}:", words.get(1).map_or("help", String::as_str));
                    assert!(makefile.contains(&target), "{place}: {words:?}");
                }
                // tests/cluster/documentation.rs has the first two.
                "kubectl" | "helm" | "cargo" | "crane" | "ctr" | "curl" | "docker" | "jq" | "kustomize" | "skopeo"
                | "tar" => {}
                _ => panic!("{place}: {words:?}"),
            }
        }
    }
    assert!(checked > 50, "{checked}");
}

/// Names of sign-in flows in a realm, which are no commands.
const FLOWS: [&str; 3] = ["guestlist browser", "guestlist direct grant", "guestlist reset credentials"];

#[test]
fn commands_named_in_sentences_exist() {
    let mut checked = 0;
    for page in pages() {
        for command in inline_commands(&page).into_iter().filter(|command| !FLOWS.contains(&command.as_str())) {
            // `guestlist directory …` stands for all its subcommands.
            let whole = command.split(" | ").next().unwrap().trim_end_matches(" …").replace("COMMAND", "run");
            for invocation in shell(&page, &whole) {
                let Err(error) = guestlist::cli::check_arguments(&invocation.words) else { continue };
                let incomplete = [
                    ErrorKind::DisplayHelp,
                    ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                    ErrorKind::MissingRequiredArgument,
                    ErrorKind::MissingSubcommand,
                ];
                let is_incomplete =
                    incomplete.contains(&error.kind()) || error.to_string().contains("a value is required");
                assert!(is_incomplete, "{page}: `{command}`: {error}");
            }
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn every_yaml_of_the_documentation_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut sorts = BTreeSet::new();
    for (number, block) in blocks("yaml").into_iter().enumerate() {
        let place = format!("{}, {}:\n{}", block.page, block.heading, block.text);
        let sort = sort_of(&block);
        match sort {
            // tests/local/readme.rs checks manifests, and tests/cluster/documentation.rs installs the chart with values.
            "manifest" | "values" => {}
            "policy" => succeeds(folder.path(), &block, &["check", "examples/acme/partners.yaml", "--workspace"]),
            "import" => {
                let directory = format!("sqlite:{}/directory-{number}.db", folder.path().display());
                guestlist(&["directory", "--directory", &directory, "import", "examples/acme/directory.yaml"]);
                succeeds(folder.path(), &block, &["directory", "--directory", &directory, "import"]);
            }
            // Manifests of other projects, and alerts: YAML at least.
            _ => {
                let parsed: Result<serde_json::Value, _> = serde_saphyr::from_str(&block.text);
                assert!(parsed.is_ok(), "{place}{parsed:?}");
            }
        }
        sorts.insert(sort);
    }
    assert_eq!(sorts, BTreeSet::from(["import", "manifest", "other", "policy", "values"]));
}

/// The purpose of a block of YAML.
fn sort_of(block: &Block) -> &'static str {
    let has = |key: &str| block.text.lines().any(|line| line.starts_with(key));
    match () {
        () if has("apiVersion: guestlist.dev/") => "manifest",
        () if has("tenants:") => "policy",
        () if has("accounts:") || has("users:") => "import",
        () if has("directory:") || has("image:") => "values",
        () => "other",
    }
}

fn guestlist(args: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_guestlist")).args(args).current_dir(ROOT).env_clear().output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    said
}

/// Runs guestlist with a file that has the block's text as its last argument.
fn succeeds(folder: &Path, block: &Block, args: &[&str]) {
    let file = folder.join("block.yaml");
    fs::write(&file, &block.text).unwrap();
    guestlist(&[args, &[file.to_str().unwrap()]].concat());
}

#[test]
fn metrics_of_the_documentation_exist() {
    let reference = read("docs/metrics.md");
    for page in pages() {
        let text = read(&page);
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if word.starts_with("guestlist_") && word != "guestlist_digest" {
                // The series of a histogram have the name of the metric and a suffix.
                let metric = ["_bucket", "_count", "_sum"].into_iter().find_map(|suffix| word.strip_suffix(suffix));
                let exists = |name: &str| reference.contains(&format!("`{name}`"));
                assert!(exists(word) || metric.is_some_and(exists), "{page}: {word}");
            }
        }
    }
}

#[test]
fn shell_reads_pipes_continuations_and_substitutions() {
    let block = |text: &str| Block {
        page: "page".to_owned(),
        heading: "heading".to_owned(),
        language: "console".to_owned(),
        text: text.to_owned(),
    };
    let words = |text: &str| {
        let mut words: Vec<_> = invocations(&block(text)).into_iter().map(|found| found.words.join("|")).collect();
        words.sort();
        words
    };
    assert_eq!(words("a 'b c' \\\n  --at=\"$(date -u)\" # why\n"), ["a|b c|--at=2027-01-31T12:00:00Z"]);
    assert_eq!(words("a x | b -\na > file &\n"), ["a", "a|x", "b|-"]);
    assert_eq!(words("$ a b\noutput of a\n$ c\n"), ["a|b", "c"]);
}

#[test]
fn blocks_in_lists_lose_their_indentation() {
    let blocks = blocks_of("docs/howto/uninstall.md");
    assert!(blocks.len() > 5 && blocks.iter().all(|block| !block.text.starts_with(' ')), "{blocks:?}");
    assert_eq!(blocks[0].heading, "Remove the guests");
}

/// The blocks of a page in one shell, in a folder. The text has the output, and the exit status after each command.
fn plays(folder: &Path, blocks: &[&Block]) -> String {
    let commands = blocks.iter().map(|block| block.text.replace('\n', "\necho \"= $?\"\n"));
    let built = Path::new(env!("CARGO_BIN_EXE_guestlist")).parent().unwrap();
    let output = Command::new("bash")
        .args(["-uc", &commands.collect::<String>()])
        .current_dir(folder)
        .env_clear()
        .env("PATH", format!("{}:{}", built.display(), std::env::var("PATH").unwrap()))
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn pipeline_runs_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for name in ["partners", "memberships", "shares", "workspace", "directory"] {
        let text = read(&format!("examples/acme/{name}.yaml"));
        file(&format!("examples/acme/{name}.yaml"), &text);
        if ["partners", "memberships", "shares"].contains(&name) {
            file(&format!("main/manifests/{name}.yaml"), &text);
            file(
                &format!("pull-request/manifests/{name}.yaml"),
                &text.replace("displayName: Bob", "suspended: true\n  displayName: Bob"),
            );
        }
    }
    file("workspace.yaml", &read("examples/acme/workspace.yaml"));
    let page = blocks_of("docs/howto/pipeline.md");
    let blocks: Vec<&Block> = page.iter().filter(|block| block.language == "console").collect();
    let [deliver, review] = blocks[..] else { panic!("{blocks:?}") };

    // The exit status 2 of plan: there are operations, or differences. The second time there are no operations.
    let said = plays(folder.path(), &[deliver, deliver, review]);
    let ends: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("= ")).collect();
    assert_eq!(ends.concat(), "00020 00000 2".replace(' ', ""), "{said}");
}
