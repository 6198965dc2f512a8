//! The evaluation of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use super::record::{Outcome, Tested};
use super::sample::Mutant;

/// The minimum share of viable mutants that must be caught, in percent.
const LEAST: usize = 95;

/// Why a mutant may survive, by key.
pub type Accepted = BTreeMap<String, String>;

/// Reads the reasons: a key at the start of a line, its reason below it, indented.
pub fn accepted(path: &Path) -> Result<Accepted, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("failed to read {}: {error}", path.display()))?;
    parse(&text).map_err(|problem| format!("{}: {problem}", path.display()))
}

fn parse(text: &str) -> Result<Accepted, String> {
    let mut accepted = Accepted::new();
    let mut current: Option<String> = None;
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if let Some(more) = line.strip_prefix(' ') {
            let key = current.as_ref().ok_or_else(|| format!("this reason belongs to no mutant: {}", line.trim()))?;
            let reason = accepted.entry(key.clone()).or_default();
            let space = if reason.is_empty() { "" } else { " " };
            reason.extend([space, more.trim()]);
        } else {
            let key = line.trim_end().to_owned();
            if accepted.insert(key.clone(), String::new()).is_some() {
                return Err(format!("this mutant is there twice: {key}"));
            }
            current = Some(key);
        }
    }
    match accepted.iter().find(|(_, reason)| reason.is_empty()) {
        Some((key, _)) => Err(format!("this mutant has no reason: {key}")),
        None => Ok(accepted),
    }
}

/// The results of a run, beside the accepted survivors.
pub struct Report<'a> {
    all: usize,
    results: Vec<(&'a Mutant, Tested)>,
    accepted: &'a Accepted,
    /// Entries whose mutant does not exist or is caught.
    stale: Vec<&'a str>,
}

/// The folder or file by which results are counted.
fn area(mutant: &Mutant) -> String {
    let file = mutant.key.split(':').next().unwrap_or_default().trim_end_matches(".rs");
    let length = if file.starts_with("src/directory/keycloak") { 3 } else { 2 };
    file.split('/').take(length).collect::<Vec<_>>().join("/")
}

impl<'a> Report<'a> {
    pub fn new(all: &[Mutant], results: Vec<(&'a Mutant, Tested)>, accepted: &'a Accepted) -> Self {
        let exist: BTreeSet<&str> = all.iter().map(|mutant| &*mutant.key).collect();
        let harmless = |tested: &Tested| matches!(tested.outcome, Outcome::Caught | Outcome::Unviable);
        let caught: BTreeSet<&str> =
            results.iter().filter(|(_, tested)| harmless(tested)).map(|(mutant, _)| &*mutant.key).collect();
        let is_stale = |key: &&str| !exist.contains(key) || caught.contains(key);
        let stale = accepted.keys().map(String::as_str).filter(is_stale).collect();
        Self { all: all.len(), results, accepted, stale }
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.results.iter().filter(|(_, tested)| tested.outcome == outcome).count()
    }

    /// Mutants that no test catches: survivors and those that hang.
    fn missed(&self) -> impl Iterator<Item = (&'a Mutant, Outcome)> {
        self.results
            .iter()
            .filter(|(_, tested)| matches!(tested.outcome, Outcome::Survived | Outcome::TimedOut))
            .map(|(mutant, tested)| (*mutant, tested.outcome))
    }

    /// Whether enough mutants are caught, each of the others has a reason, and no reason is stale.
    pub fn is_good(&self) -> bool {
        let (caught, missed) = (self.count(Outcome::Caught), self.missed().count());
        let all_have_reasons = self.missed().all(|(mutant, _)| self.accepted.contains_key(&mutant.key));
        caught * 100 >= (caught + missed) * LEAST && all_have_reasons && self.stale.is_empty()
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut areas = BTreeMap::<String, [usize; 4]>::new();
        let column = |outcome| match outcome {
            Outcome::Caught => 0,
            Outcome::TimedOut => 1,
            Outcome::Survived => 2,
            Outcome::Unviable => 3,
        };
        for (mutant, tested) in &self.results {
            areas.entry(area(mutant)).or_default()[column(tested.outcome)] += 1;
        }
        let row = |f: &mut fmt::Formatter<'_>, area: &str, [caught, hung, survived, unviable]: [usize; 4]| {
            writeln!(f, "{area:<24}{caught:>8}{hung:>11}{survived:>10}{unviable:>10}")
        };
        writeln!(f, "{:<24}{:>8}{:>11}{:>10}{:>10}", "area", "caught", "timed out", "survived", "unviable")?;
        for (area, counts) in &areas {
            row(f, area, *counts)?;
        }
        let sum = |column: usize| areas.values().map(|counts| counts[column]).sum();
        row(f, "all", [sum(0), sum(1), sum(2), sum(3)])?;
        let (caught, missed) = (self.count(Outcome::Caught), self.missed().count());
        let viable = caught + missed;
        let tenths = (caught * 1000).checked_div(viable).unwrap_or(1000);
        let seconds: u64 = self.results.iter().map(|(_, tested)| tested.seconds).sum();
        let each = seconds.checked_div(u64::try_from(self.results.len()).unwrap_or(u64::MAX)).unwrap_or(0);
        writeln!(
            f,
            "\n{} of {} mutants tested, {each} s each; {caught} of {viable} viable ones caught: {}.{} %, and {LEAST} % is the least.",
            self.results.len(),
            self.all,
            tenths / 10,
            tenths % 10,
        )?;
        for (mutant, outcome) in self.missed() {
            let reason = self.accepted.get(&mutant.key).map_or("not accepted", String::as_str);
            writeln!(f, "\n{outcome}: {}\n    {reason}", mutant.name)?;
        }
        for key in &self.stale {
            writeln!(
                f,
                "\nstale in examples/mutants/accepted.txt: {key}\n    It is caught, or does not exist. Delete it."
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutants(count: usize) -> Vec<Mutant> {
        let mutant = |line| Mutant { name: format!("src/a/b.rs:{line}:5: {line}"), key: format!("src/a/b.rs: {line}") };
        (1..=count).map(mutant).collect()
    }

    /// A report on mutants: the first ones have these outcomes, the others are caught.
    fn judged(count: usize, first: &[Outcome], reasons: &[usize]) -> (bool, String) {
        let all = mutants(count);
        let outcome = |index: usize| first.get(index).copied().unwrap_or(Outcome::Caught);
        let tested = |(index, mutant)| (mutant, Tested { outcome: outcome(index), seconds: 2 });
        let accepted = reasons.iter().map(|line| (format!("src/a/b.rs: {line}"), "It is equal.".to_owned())).collect();
        let report = Report::new(&all, all.iter().enumerate().map(tested).collect(), &accepted);
        (report.is_good(), report.to_string())
    }

    #[test]
    fn report_is_good_at_the_least_share_with_reasons() {
        assert!(judged(20, &[Outcome::Survived], &[1]).0);
        let (good, text) = judged(20, &[Outcome::Survived], &[]);
        assert!(!good && text.contains("survived: src/a/b.rs:1:5: 1\n    not accepted"), "{text}");
        assert!(!judged(20, &[Outcome::Survived; 2], &[1, 2]).0);
        assert!(judged(40, &[Outcome::Survived; 2], &[1, 2]).0);
    }

    #[test]
    fn mutant_that_hangs_is_not_caught() {
        assert!(judged(20, &[Outcome::TimedOut], &[1]).0);
        assert!(!judged(20, &[Outcome::TimedOut], &[]).0);
        assert!(!judged(20, &[Outcome::TimedOut, Outcome::Survived], &[1, 2]).0);
    }

    #[test]
    fn mutant_that_does_not_compile_does_not_count() {
        let (good, text) = judged(22, &[Outcome::Unviable, Outcome::Unviable, Outcome::Survived], &[3]);
        assert!(good && text.contains("19 of 20 viable ones caught: 95.0 %"), "{text}");
    }

    #[test]
    fn stale_reason_fails() {
        for stale in [2, 99] {
            let (good, text) = judged(20, &[Outcome::Survived], &[1, stale]);
            assert!(
                !good && text.contains(&format!("stale in examples/mutants/accepted.txt: src/a/b.rs: {stale}")),
                "{text}"
            );
        }
    }

    #[test]
    fn reasons_are_read_by_key() {
        let accepted = parse("# why\n\nsrc/a.rs: delete !\n    Both are\n    equal.\n").unwrap();
        assert_eq!(accepted, Accepted::from([("src/a.rs: delete !".to_owned(), "Both are equal.".to_owned())]));
        for wrong in ["    a reason\n", "src/a.rs: x\n", "src/a.rs: x\n  a\nsrc/a.rs: x\n  b\n"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    /// A module that moves has to move in the configuration, too.
    #[test]
    fn every_configured_path_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(root.join(".cargo/mutants.toml")).unwrap();
        let paths: Vec<&str> = text.split('"').filter(|part| part.starts_with("src/")).collect();
        assert!(paths.len() > 5);
        for path in paths {
            assert!(root.join(path.trim_end_matches("/**")).exists(), "{path}");
        }
        let accepted = accepted(&root.join("examples/mutants/accepted.txt")).unwrap();
        for key in accepted.keys() {
            assert!(root.join(key.split(':').next().unwrap()).is_file(), "{key}");
        }
    }
}
