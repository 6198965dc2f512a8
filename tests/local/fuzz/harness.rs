//! Runs a check on many inputs. A failure names the input and the command that repeats it.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use super::MEMORY;
use super::mutate::{Random, changed};

/// The number of inputs for a subject with a share of 100.
const INPUTS: u64 = 10_000;
/// The default seed.
const SEED: u64 = 1;
/// The memory limit, in bytes: for an input of any size, and in addition for each byte of the input.
const MEMORY_OF_ANY: usize = 64 << 20;
const MEMORY_OF_A_BYTE: usize = 1000;
/// The time limit of an input: the slowest takes less than a second.
const HANGS: Duration = Duration::from_mins(1);
/// The number of bytes of an input that a failure shows.
const SHOWN: usize = 2000;

/// A reader of text.
pub struct Subject {
    /// The name of its folder in `tests/local/fuzz/corpus`.
    pub name: &'static str,
    /// Real inputs.
    pub corpus: Vec<Vec<u8>>,
    /// Words with a meaning in its input.
    pub words: &'static [&'static str],
    /// The number of its inputs, in percent of the default.
    pub share: u64,
}

struct Current {
    name: &'static str,
    seed: Option<u64>,
    input: Vec<u8>,
    began: Instant,
}

static CURRENT: Mutex<Option<Current>> = Mutex::new(None);

fn current() -> MutexGuard<'static, Option<Current>> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One subject at a time: memory is measured for the whole process.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    static WATCH: Once = Once::new();
    WATCH.call_once(|| drop(std::thread::spawn(watch)));
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the process if an input hangs.
fn watch() {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        if let Some(current) = current().as_ref().filter(|current| current.began.elapsed() > HANGS) {
            let said = told(current, "it hangs");
            // Not with eprintln!, whose output the test runner holds back until the test ends.
            drop(std::io::stderr().write_all(said.as_bytes()));
            std::process::abort();
        }
    }
}

/// The message of a failure: its cause, the command that repeats it, and the input. The input is also written to a file.
fn told(current: &Current, what: &str) -> String {
    let Current { name, seed, input, .. } = current;
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
    let written = std::fs::write(&file, input).is_ok();
    let place = if written { file.display().to_string() } else { "nowhere".to_owned() };
    let repeat = seed.map(|seed| format!("GUESTLIST_FUZZ_SEED={seed} GUESTLIST_FUZZ_INPUTS=1: ")).unwrap_or_default();
    let shown = input.get(..input.len().min(SHOWN)).unwrap_or_default().escape_ascii();
    format!("{name}: {repeat}{what}\nthe input of {} bytes is in {place}:\n{shown}\n", input.len())
}

pub fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

/// The cost of an input: memory in bytes, and time.
pub type Taken = (usize, Duration);

/// Checks one input.
pub fn one(name: &'static str, seed: Option<u64>, input: &[u8], check: &mut dyn FnMut(&[u8])) -> Taken {
    *current() = Some(Current { name, seed, input: input.to_vec(), began: Instant::now() });
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let ended = catch_unwind(AssertUnwindSafe(|| check(input)));
    let taken = MEMORY.peak_usage().saturating_sub(before);
    let current = current().take().unwrap();
    if let Err(panic) = ended {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned())).unwrap_or_default();
        panic!("{}", told(&current, &said));
    }
    let bound = MEMORY_OF_ANY + MEMORY_OF_A_BYTE * input.len();
    assert!(taken <= bound, "{}", told(&current, &format!("it takes {taken} bytes of memory, of {bound}")));
    (taken, current.began.elapsed())
}

/// The inputs that found faults.
fn kept(name: &str) -> Vec<Vec<u8>> {
    files(&Path::new("tests/local/fuzz/corpus").join(name)).into_iter().map(|(_, content)| content).collect()
}

/// The files of a folder of the repository, in order.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

/// Checks texts that are built to use much time or memory.
pub fn each(texts: Vec<(&'static str, String)>, mut check: impl FnMut(&[u8])) {
    let _alone = alone();
    for (name, text) in texts {
        let (memory, time) = one(name, None, text.as_bytes(), &mut check);
        println!("{name}: {} KiB take {} KiB and {} ms", text.len() / 1024, memory / 1024, time.as_millis());
    }
}

/// Checks the corpus of a subject, the inputs that found faults, and changed copies of both.
pub fn fuzz(mut subject: Subject, mut check: impl FnMut(&[u8])) {
    let _alone = alone();
    subject.corpus.extend(kept(subject.name));
    let Subject { name, corpus, words, share } = subject;
    let seed = from_environment("GUESTLIST_FUZZ_SEED").unwrap_or(SEED);
    let inputs = (from_environment("GUESTLIST_FUZZ_INPUTS").unwrap_or(INPUTS) * share).div_ceil(100);
    let began = Instant::now();
    let (mut most, mut slowest) = (0, (Duration::ZERO, None));
    let mut run = |seed, input: &[u8]| {
        let (memory, time) = one(name, seed, input, &mut check);
        (most, slowest) = (memory.max(most), (time, seed).max(slowest));
    };
    for input in &corpus {
        run(None, input);
    }
    for seed in (0..inputs).map(|number| seed.wrapping_add(number)) {
        let input = changed(&mut Random::new(seed), &corpus, words);
        run(Some(seed), &input);
    }
    println!(
        "{name}: {} texts of the corpus, GUESTLIST_FUZZ_SEED={seed}, {inputs} inputs in {} ms; at most {} KiB and {} ms (seed {:?}) each",
        corpus.len(),
        began.elapsed().as_millis(),
        most / 1024,
        slowest.0.as_millis(),
        slowest.1
    );
}
