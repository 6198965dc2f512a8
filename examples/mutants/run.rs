//! Builds and tests mutants with cargo-mutants, in the copy of the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use serde_json::Value;

use super::record::{Outcome, Tested};
use super::sample::Mutant;

/// The first argument with which cargo starts this program to run the tests of a binary.
pub const RUN_TESTS: &str = "run-tests";

/// The suites in their order: only mutants that survive one continue with the next.
const SUITES: [&str; 3] = ["--test=core", "--lib", "--test=local"];

/// Tests of `core`, ordered by duration: none runs after the first failure.
const ROUNDS: [&[&str]; 3] = [
    &[],
    &["rule_matrix::", "later::", "plan_properties::", "simulation::", "check::differential"],
    &[
        "simulation::worlds",
        "simulation::faults",
        "simulation::plan_matches_apply",
        "simulation::churn",
        "simulation::stale",
        "exploration::",
    ],
];

/// Tests of `core` that no mutant needs: those that test other tests by planted bugs, and those of the imports.
const NEVER: [&str; 4] = ["::planted::", "::mutants::", "boundaries::", "cycles::"];

/// Tests of `local` that reach the mutated code: the others start processes, for minutes.
const LOCAL: [&str; 3] = ["directory_contract", "directory_cli", "imports"];

/// The number of random worlds: within these, each planted bug is caught.
const WORLDS: &str = "12";

/// The seed of generated YAML texts, so that each mutant meets the same texts.
const YAML_SEED: &str = "1";

/// The programs of the control plane below the repository's root: one of them is kubectl's reader.
const CONTROLPLANE: &str = "target/controlplane/bin";

/// A mutant that takes this many times as long as the unchanged code counts as hanging.
const HANGS: u64 = 3;

/// The filters with which a binary runs, one after the other.
fn rounds(binary: &str) -> Vec<Vec<&'static str>> {
    let skip = |names: &[&'static str]| names.iter().flat_map(|name| ["--skip", name]).collect::<Vec<_>>();
    if binary.starts_with("core-") {
        let round = |index: usize| [ROUNDS[index].to_vec(), skip(&ROUNDS[index + 1..].concat()), skip(&NEVER)].concat();
        (0..ROUNDS.len()).map(round).collect()
    } else if binary.starts_with("local-") {
        vec![LOCAL.to_vec()]
    } else {
        vec![Vec::new()]
    }
}

/// Runs the tests of a binary: the short ones first, and none after the first failure.
pub fn tests(given: &[String]) -> ExitCode {
    let Some((binary, arguments)) = given.split_first() else { return ExitCode::from(2) };
    let name = Path::new(binary).file_name().unwrap_or_default().to_string_lossy();
    for filters in rounds(&name) {
        let ran = Command::new(binary)
            .args(arguments)
            .args(filters)
            // An option of libtest that is not stable yet.
            .args(["-Zunstable-options", "--fail-fast"])
            .env("RUSTC_BOOTSTRAP", "1")
            .env("GUESTLIST_WORLDS", WORLDS)
            .env("GUESTLIST_YAML_SEED", YAML_SEED)
            .env("GUESTLIST_CONTROLPLANE", Path::new(env!("CARGO_MANIFEST_DIR")).join(CONTROLPLANE))
            .status();
        match ran {
            Ok(status) if status.success() => {}
            Ok(_) => return ExitCode::FAILURE,
            Err(error) => {
                eprintln!("failed to start {binary}: {error}");
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}

fn cargo(tree: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(tree).env_remove("CARGO_MANIFEST_DIR");
    cargo
}

/// The names of all mutants.
pub fn list(tree: &Path) -> Result<Vec<String>, String> {
    let output = cargo(tree)
        .args(["mutants", "--list", "--json"])
        .output()
        .map_err(|error| format!("failed to start cargo: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let read: Result<Vec<Value>, _> = serde_json::from_str(&text);
    let mutants = read.map_err(|error| {
        format!("cargo mutants --list failed: {error}\n{}", String::from_utf8_lossy(&output.stderr).trim())
    })?;
    Ok(mutants.iter().filter_map(|mutant| Some(mutant["name"].as_str()?.to_owned())).collect())
}

/// A pattern that matches a name alone.
fn pattern(name: &str) -> String {
    let mut pattern = String::from("^");
    for character in name.chars() {
        // A backslash before another sign has its own meaning, such as `\\<`: the start of a word.
        if r"\.+*?()|[]{}^$".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('$');
    pattern
}

/// A diff in which the lines of some mutants are new: cargo-mutants does not apply a pattern to fields of a struct.
fn diff(tree: &Path, open: &[&Mutant]) -> Result<String, String> {
    let mut lines = BTreeMap::<&str, BTreeSet<usize>>::new();
    for mutant in open {
        let mut parts = mutant.name.splitn(3, ':');
        let (file, line) = (parts.next().unwrap_or_default(), parts.next().and_then(|line| line.parse().ok()));
        lines.entry(file).or_default().insert(line.ok_or_else(|| format!("no line in {}", mutant.name))?);
    }
    let mut diff = String::new();
    for (file, lines) in lines {
        let text = fs::read_to_string(tree.join(file)).map_err(|error| format!("failed to read {file}: {error}"))?;
        let _ = writeln!(diff, "--- a/{file}\n+++ b/{file}");
        for (before, line) in lines.into_iter().enumerate() {
            let new = text.lines().nth(line - 1).unwrap_or_default();
            let _ = writeln!(diff, "@@ -{},0 +{line},1 @@\n+{new}", line - 1 - before);
        }
    }
    Ok(diff)
}

/// Runs of cargo-mutants in one copy.
pub struct Runs {
    tree: PathBuf,
    build: PathBuf,
    output: PathBuf,
    /// The cargo setting that starts tests through this program.
    runner: String,
    /// The time limit in seconds of each suite that ran so far.
    limits: BTreeMap<&'static str, u64>,
}

impl Runs {
    pub fn new(tree: &Path, work: &Path) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| format!("failed to find this program: {error}"))?;
        let command = Value::from(vec![program.to_string_lossy().into_owned(), RUN_TESTS.to_owned()]);
        Ok(Self {
            tree: tree.to_owned(),
            build: work.join("build"),
            output: work.join("out"),
            runner: format!("target.'cfg(all())'.runner={command}"),
            limits: BTreeMap::new(),
        })
    }

    /// Runs a suite on the unchanged code, once. Its duration sets the limit for mutants.
    fn limit(&mut self, suite: &'static str) -> Result<u64, String> {
        if let Some(limit) = self.limits.get(suite) {
            return Ok(*limit);
        }
        let arguments = ["test", "--locked", "--profile=mutants", suite, "--config", &self.runner];
        let run = |more: &[&str]| {
            let ran = cargo(&self.tree).args(arguments).args(more).env("CARGO_TARGET_DIR", &self.build).output();
            let output = ran.map_err(|error| format!("failed to start cargo: {error}"))?;
            if output.status.success() {
                return Ok(());
            }
            let text = [output.stdout, output.stderr].concat();
            Err(format!("{suite} fails without a mutant:\n{}", String::from_utf8_lossy(&text)))
        };
        println!("{suite}: building and testing without a mutant");
        run(&["--no-run"])?;
        let began = Instant::now();
        run(&[])?;
        let seconds = began.elapsed().as_secs().max(1);
        println!("{suite}: {seconds} s without a mutant");
        let limit = (seconds * HANGS).max(60);
        self.limits.insert(suite, limit);
        Ok(limit)
    }

    /// Tests some mutants.
    pub fn test<'a>(&mut self, batch: &[&'a Mutant]) -> Result<Vec<(&'a Mutant, Tested)>, String> {
        let mut results = BTreeMap::<&str, Tested>::new();
        for suite in SUITES {
            let is_open = |mutant: &&&Mutant| {
                let tested = results.get(&*mutant.name);
                tested.is_none_or(|it| matches!(it.outcome, Outcome::Survived | Outcome::TimedOut))
            };
            let open: Vec<&Mutant> = batch.iter().filter(is_open).copied().collect();
            if open.is_empty() {
                break;
            }
            for (mutant, tested) in self.suite(suite, &open)? {
                let before = results.get(&*mutant.name).copied();
                let seconds = tested.seconds + before.map_or(0, |it| it.seconds);
                // A mutant that hangs in one suite counts as hanging, unless another suite fails.
                let hung = before.is_some_and(|it| it.outcome == Outcome::TimedOut);
                let outcome =
                    if hung && tested.outcome == Outcome::Survived { Outcome::TimedOut } else { tested.outcome };
                results.insert(&mutant.name, Tested { outcome, seconds });
            }
        }
        let found = batch.iter().filter_map(|mutant| Some((*mutant, *results.get(&*mutant.name)?)));
        Ok(found.collect())
    }

    fn suite<'a>(&mut self, suite: &'static str, open: &[&'a Mutant]) -> Result<Vec<(&'a Mutant, Tested)>, String> {
        let limit = self.limit(suite)?;
        let lines = self.output.with_extension("diff");
        fs::write(&lines, diff(&self.tree, open)?).map_err(|error| format!("failed to write a diff: {error}"))?;
        let mut command = cargo(&self.tree);
        command
            .arg("mutants")
            .arg("--in-diff")
            .arg(&lines)
            .args(["--in-place", "--baseline=skip", "--profile=mutants", "--no-times", "--output"])
            .arg(&self.output)
            .arg(format!("--timeout={limit}"))
            .args([format!("--cargo-arg={suite}"), "--cargo-arg=--config".to_owned()])
            .arg(format!("--cargo-arg={}", self.runner))
            .args(open.iter().flat_map(|mutant| ["--re".to_owned(), pattern(&mutant.name)]))
            .env("CARGO_TARGET_DIR", &self.build);
        println!("{suite}: {} mutants", open.len());
        let status = command.status().map_err(|error| format!("failed to start cargo: {error}"))?;
        // All caught, some missed, or some timed out.
        if !matches!(status.code(), Some(0 | 2 | 3)) {
            return Err(format!("cargo mutants ends with {status}"));
        }
        let path = self.output.join("mutants.out/outcomes.json");
        let text = fs::read_to_string(&path).map_err(|error| format!("failed to read {}: {error}", path.display()))?;
        let all: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let all = all["outcomes"].as_array().cloned().unwrap_or_default();
        let tested: BTreeMap<&str, Tested> = all.iter().filter_map(outcome).collect();
        open.iter()
            .map(|mutant| {
                let tested = tested.get(&*mutant.name).ok_or_else(|| format!("no outcome of {}", mutant.name))?;
                Ok((*mutant, *tested))
            })
            .collect()
    }
}

/// A mutant's outcome as cargo-mutants writes it.
fn outcome(value: &Value) -> Option<(&str, Tested)> {
    let name = value.pointer("/scenario/Mutant/name")?.as_str()?;
    let outcome = match value["summary"].as_str()? {
        "CaughtMutant" => Outcome::Caught,
        "MissedMutant" => Outcome::Survived,
        "Timeout" => Outcome::TimedOut,
        "Unviable" => Outcome::Unviable,
        _ => return None,
    };
    let phases = value["phase_results"].as_array()?;
    let sum: f64 = phases.iter().filter_map(|phase| phase["duration"].as_f64()).sum();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some seconds")]
    let seconds = sum.round() as u64;
    Some((name, Tested { outcome, seconds }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test that two rounds run costs time; one that none runs catches nothing.
    #[test]
    fn each_test_of_core_is_in_one_round() {
        let rounds = rounds("core-0123");
        for test in
            ["rules::a", "rule_matrix::check::a", "simulation::rest::a", "simulation::worlds::a", "exploration::a"]
        {
            let runs = |filters: &&Vec<&str>| {
                let skipped: Vec<&str> =
                    filters.windows(2).filter(|pair| pair[0] == "--skip").map(|pair| pair[1]).collect();
                let named: Vec<&str> = filters.iter().copied().take_while(|word| *word != "--skip").collect();
                !skipped.iter().any(|skip| test.contains(skip))
                    && (named.is_empty() || named.iter().any(|name| test.contains(name)))
            };
            assert_eq!(rounds.iter().filter(runs).count(), 1, "{test}");
        }
    }

    #[test]
    fn pattern_takes_each_sign_of_a_name_as_it_is() {
        assert_eq!(
            pattern("src/a.rs:1:2: replace f -> Vec<[u8; 2]> with vec![1]"),
            r"^src/a\.rs:1:2: replace f -> Vec<\[u8; 2\]> with vec!\[1\]$"
        );
    }

    #[test]
    fn outcome_of_cargo_mutants_is_read() {
        let text = r#"{"scenario": {"Mutant": {"name": "a"}}, "summary": "Timeout",
            "phase_results": [{"phase": "Build", "duration": 1.4}, {"phase": "Test", "duration": 60.2}]}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(outcome(&value), Some(("a", Tested { outcome: Outcome::TimedOut, seconds: 62 })));
        assert_eq!(outcome(&Value::from("Baseline")), None);
    }
}
