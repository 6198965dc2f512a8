//! The output of the demo, in the style of examples/demo.sh: a sentence, the command, and its real output.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

/// Timeout of each wait, long enough for a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// After Ctrl-C or SIGTERM, the demo still stops its services and deletes its files.
pub fn heed_signals() {
    std::thread::spawn(|| {
        crate::keycloak::block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).unwrap();
            let mut terminate = signal(SignalKind::terminate()).unwrap();
            let mut hang_up = signal(SignalKind::hangup()).unwrap();
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {}, _ = hang_up.recv() => {} }
            INTERRUPTED.store(true, Ordering::Relaxed);
            eprintln!("demo: stopping");
        });
    });
}

pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Ends the demo after a signal to stop.
fn heed() {
    if interrupted() {
        std::panic::resume_unwind(Box::new("interrupted"));
    }
}

/// Prints a sentence about the next step.
pub fn say(sentence: &str) {
    heed();
    println!("\n\x1b[1m# {sentence}\x1b[0m");
}

/// Prints an action or observation of a person without a command line.
pub fn tell(sentence: &str) {
    println!("  {sentence}");
}

/// A program that a viewer can also run, from the root of the repository.
pub fn program(name: &str, path: PathBuf) -> Shown {
    let mut command = Command::new(path);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    Shown { name: name.to_owned(), command }
}

/// A command, and its displayed name.
pub struct Shown {
    name: String,
    pub command: Command,
}

impl Shown {
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn announce(&self) {
        heed();
        let arguments = self.command.get_args().map(|argument| quoted(&argument.to_string_lossy()));
        let words: Vec<_> = std::iter::once(self.name.clone()).chain(arguments).collect();
        println!("\x1b[36m$ {}\x1b[0m", words.join(" "));
    }

    /// Prints and runs the command.
    pub fn run(mut self) {
        self.announce();
        let status = self.command.status().unwrap();
        assert!(status.success(), "{} should have gone well, and ended with {status}", self.name);
    }

    /// Prints and runs the command, and shows the first lines of its output.
    pub fn run_briefly(mut self, lines: usize) {
        self.announce();
        let output = self.command.output().unwrap();
        assert!(output.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout);
        said.lines().take(lines).for_each(|line| println!("{line}"));
        println!("... ({} lines)", said.lines().count());
    }

    /// Runs a command that has to fail, and shows its error.
    pub fn refused(mut self) {
        self.announce();
        let output = self.command.output().unwrap();
        assert!(!output.status.success(), "{} should have been refused", self.name);
        print!("{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs the command without printing it. Returns its output.
    pub fn quietly(mut self) -> Result<String, String> {
        heed();
        let output = self.command.output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

/// The argument, quoted for a shell.
fn quoted(argument: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_=:/.,#@".contains(character);
    if argument.chars().all(plain) { argument.to_owned() } else { format!("'{argument}'") }
}

/// Polls until `look` succeeds. After the timeout, fails with the last error.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        heed();
        match look().await {
            Ok(value) => return value,
            Err(seen) => assert!(began.elapsed() < PATIENCE, "{what} did not come true in {PATIENCE:?}: {seen}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
