//! Mutation testing of the pure code: `make mutants` runs cargo-mutants on a seeded sample of all mutants, or on all of them,
//! and prints those that no test catches. `.cargo/mutants.toml` selects the mutated code.
//!
//! The mutants are built and tested in a copy of the tree below `target/mutants`. Results are recorded there after each batch,
//! and a run continues from them as long as the tree does not change.
#![allow(missing_docs, reason = "a tool of this repository")]

mod record;
mod report;
mod run;
mod sample;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use record::Record;
use sample::{Mutant, Wanted};

/// The number of mutants that are recorded together.
const BATCH: usize = 10;

/// The parsed arguments.
#[derive(Default)]
struct Arguments {
    wanted: Wanted,
    /// Prints the names only.
    list: bool,
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments::default();
    while let Some(name) = given.next() {
        if name == "--list" {
            arguments.list = true;
            continue;
        }
        let value = given.next().ok_or_else(|| format!("{name} has no value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name} is not a number: {value}"));
        match name.as_str() {
            // The Makefile passes an empty value for a variable that is not set.
            _ if value.is_empty() => {}
            "--sample" => {
                arguments.wanted.sample = Some(number().and_then(|it| usize::try_from(it).map_err(|e| e.to_string()))?);
            }
            "--seed" => arguments.wanted.seed = number()?,
            "--shard" => arguments.wanted.shard = Some(sample::shard(&value)?),
            "--only" => arguments.wanted.only.push(value),
            "--from" => {
                let text =
                    std::fs::read_to_string(&value).map_err(|error| format!("failed to read {value}: {error}"))?;
                arguments.wanted.only.extend(text.lines().filter(|line| !line.is_empty()).map(str::to_owned));
            }
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    Ok(arguments)
}

/// Runs the mutants. Returns whether the report is good.
fn mutate(arguments: &Arguments) -> Result<bool, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let work = root.join("target/mutants");
    let copy = tree::copy(root, &work.join("tree"))?;
    let all = sample::keyed(&run::list(&copy.root)?);
    let chosen = sample::choose(&all, &arguments.wanted);
    if arguments.list {
        for mutant in chosen {
            println!("{}", mutant.name);
        }
        return Ok(true);
    }
    let accepted = report::accepted(&root.join("examples/mutants/accepted.txt"))?;
    let mut record = Record::open(&work.join("record.tsv"), copy.fingerprint)?;
    let open: Vec<&Mutant> = chosen.iter().copied().filter(|mutant| record.get(mutant).is_none()).collect();
    println!("{} of {} mutants; {} are recorded already", chosen.len(), all.len(), chosen.len() - open.len());
    if !open.is_empty() {
        let mut runs = run::Runs::new(&copy.root, &work)?;
        for batch in open.chunks(BATCH) {
            for (mutant, result) in runs.test(batch)? {
                record.put(mutant, result)?;
            }
        }
    }
    let results = chosen.iter().filter_map(|mutant| Some((*mutant, record.get(mutant)?))).collect();
    let report = report::Report::new(&all, results, &accepted);
    let text = report.to_string();
    let path: PathBuf = work.join("report.txt");
    std::fs::write(&path, &text).map_err(|error| format!("failed to write {}: {error}", path.display()))?;
    println!("\n{text}");
    Ok(report.is_good())
}

fn main() -> ExitCode {
    let mut given = std::env::args().skip(1).peekable();
    if given.next_if(|first| first == run::RUN_TESTS).is_some() {
        return run::tests(&given.collect::<Vec<_>>());
    }
    match arguments(given).and_then(|arguments| mutate(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("mutants: {problem}");
            ExitCode::from(2)
        }
    }
}
