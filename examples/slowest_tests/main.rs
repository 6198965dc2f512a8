//! The seconds of each test, which the stable test harness does not print. `make test` has cargo start each test binary
//! through this program, and prints the slowest tests at the end:
//!
//! ```text
//! cargo --config "target.'cfg(unix)'.runner = 'target/debug/examples/slowest_tests'" test
//! target/debug/examples/slowest_tests --report
//! ```
//!
//! The harness prints a test's line when the test ends. It starts tests in the order of `--list`: as many as it has
//! threads, then one more whenever one ends. So the start of a test is the end of an earlier one, and both are exact.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a tool of development")]

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Instant;

/// The number of tests in the report.
const SHOWN: usize = 10;

/// The end of a test: its name, and the seconds since the start of the binary.
type Ended = (String, f64);

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let binary = PathBuf::from(arguments.next().expect("the path of a test binary, or --report"));
    let arguments: Vec<OsString> = arguments.collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/timings");
    if binary.as_os_str() == "--report" {
        print!("{}", report(&read(&folder)));
        return ExitCode::SUCCESS;
    }
    // Cargo's own binaries. The examples in comments have no list, and are left alone.
    if binary.parent().is_some_and(|parent| parent.ends_with("deps") || parent.ends_with("examples")) {
        return run(&binary, &arguments, &folder);
    }
    code(Command::new(binary).args(arguments).status().expect("the binary starts"))
}

fn code(status: ExitStatus) -> ExitCode {
    u8::try_from(status.code().unwrap_or(1)).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Runs a test binary, passes its output on, and records the seconds of its tests.
fn run(binary: &Path, arguments: &[OsString], folder: &Path) -> ExitCode {
    let list = Command::new(binary).args(arguments).args(["--list", "--format", "terse"]).output();
    let listed = list.map(|list| String::from_utf8_lossy(&list.stdout).into_owned()).unwrap_or_default();
    let mut child =
        Command::new(binary).args(arguments).stdout(Stdio::piped()).spawn().expect("the test binary starts");
    let started = Instant::now();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut ended = Vec::new();
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).unwrap_or_default() > 0 {
        ended.extend(test_of(&String::from_utf8_lossy(&line)).map(|name| (name, started.elapsed().as_secs_f64())));
        let mut out = io::stdout().lock();
        drop(out.write_all(&line).and_then(|()| out.flush()));
        line.clear();
    }
    let status = child.wait().expect("the test binary ends");
    record(binary, folder, &seconds(&order(&listed), threads(arguments), &ended));
    code(status)
}

/// The test whose result a line has: `test NAME ... ok`.
fn test_of(line: &str) -> Option<String> {
    let (name, _) = line.strip_prefix("test ")?.split_once(" ... ")?;
    Some(name.trim_end_matches(" - should panic").to_owned())
}

/// The tests in the order of `--list --format terse`: `NAME: test`.
fn order(listed: &str) -> Vec<String> {
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// The number of tests that the harness runs at the same time.
fn threads(arguments: &[OsString]) -> usize {
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let option =
        arguments.iter().enumerate().find_map(|(at, argument)| match argument.strip_prefix("--test-threads") {
            Some("") => arguments.get(at + 1).map(ToString::to_string),
            Some(value) => value.strip_prefix('=').map(str::to_owned),
            None => None,
        });
    let number = option.or_else(|| env::var("RUST_TEST_THREADS").ok()).and_then(|text| text.parse().ok());
    number.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// The seconds of each test that ended.
fn seconds(order: &[String], threads: usize, ended: &[Ended]) -> Vec<Ended> {
    let of = |(name, end): &Ended| {
        let at = order.iter().position(|listed| listed == name)?;
        let start = at.checked_sub(threads).map_or(Some(0.0), |earlier| ended.get(earlier).map(|(_, end)| *end))?;
        Some((name.clone(), end - start))
    };
    ended.iter().filter_map(of).collect()
}

fn record(binary: &Path, folder: &Path, tests: &[Ended]) {
    if tests.is_empty() {
        return;
    }
    let name = binary.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let lines: Vec<_> = tests.iter().map(|(test, seconds)| format!("{seconds:.2}\t{test}\n")).collect();
    fs::create_dir_all(folder).and_then(|()| fs::write(folder.join(name), lines.concat())).expect("target is writable");
}

/// All recorded tests, with the names of their binaries.
fn read(folder: &Path) -> Vec<Ended> {
    let mut tests = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let binary = name.rsplit_once('-').map_or(&*name, |(name, _)| name);
        for line in fs::read_to_string(entry.path()).unwrap_or_default().lines() {
            if let Some((seconds, test)) = line.split_once('\t') {
                tests.push((format!("{binary} {test}"), seconds.parse().unwrap_or_default()));
            }
        }
    }
    tests
}

fn report(tests: &[Ended]) -> String {
    let mut slowest: Vec<&Ended> = tests.iter().collect();
    slowest.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    slowest.truncate(SHOWN);
    let lines: Vec<_> = slowest.iter().map(|(test, seconds)| format!("{seconds:8.1} s  {test}\n")).collect();
    format!("The {} slowest of {} tests:\n{}", slowest.len(), tests.len(), lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(tests: &[(&str, f64)]) -> Vec<Ended> {
        tests.iter().map(|(name, seconds)| ((*name).to_owned(), *seconds)).collect()
    }

    #[test]
    fn test_lasts_from_the_end_that_freed_its_thread() {
        let order = order("a: test\nb: test\nc: test\nd: test\n\n4 tests, 0 benchmarks\n");
        // Two threads: c starts when b ends, d starts when c ends.
        let ends = ended(&[("b", 1.0), ("c", 4.0), ("a", 5.0), ("d", 6.0)]);
        assert_eq!(seconds(&order, 2, &ends), ended(&[("b", 1.0), ("c", 3.0), ("a", 5.0), ("d", 2.0)]));
        assert_eq!(seconds(&order, 8, &ends), ends);
        let in_turn = ended(&[("a", 1.0), ("b", 3.0), ("c", 3.5), ("d", 9.5)]);
        assert_eq!(seconds(&order, 1, &in_turn), ended(&[("a", 1.0), ("b", 2.0), ("c", 0.5), ("d", 6.0)]));
    }

    #[test]
    fn result_line_has_the_name_of_the_test() {
        for (line, test) in [
            ("test plan::a ... ok\n", Some("plan::a")),
            ("test plan::a - should panic ... ok\n", Some("plan::a")),
            ("test plan::a ... FAILED\n", Some("plan::a")),
            ("test result: ok. 3 passed; 0 failed\n", None),
            ("running 3 tests\n", None),
        ] {
            assert_eq!(test_of(line).as_deref(), test, "{line}");
        }
    }

    #[test]
    fn number_of_threads_is_the_option() {
        for arguments in [&["--nocapture", "--test-threads=7"][..], &["--test-threads", "7", "name"]] {
            assert_eq!(threads(&arguments.iter().map(OsString::from).collect::<Vec<_>>()), 7);
        }
    }

    #[test]
    fn report_has_the_slowest_tests_of_all_binaries() {
        let folder = tempfile::tempdir().unwrap();
        record(Path::new("deps/core-0123abcd"), folder.path(), &ended(&[("slow", 12.34), ("quick", 0.01)]));
        record(Path::new("deps/cluster-4567abcd"), folder.path(), &ended(&[("demo::slower", 60.0)]));
        record(Path::new("deps/empty-4567abcd"), folder.path(), &[]);
        let tests = read(folder.path());
        let expected = "The 3 slowest of 3 tests:\n    60.0 s  cluster demo::slower\n    12.3 s  core slow\n     0.0 s  core quick\n";
        assert_eq!(report(&tests), expected);
    }
}
