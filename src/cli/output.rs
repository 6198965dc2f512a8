//! Writing for people and pipes: a reader who closes the pipe ends the output, not with an error; colour only where
//! somebody looks at it.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use super::UNUSABLE;

/// Writes to standard output and returns `status`; says so where the output cannot be written.
pub fn print(text: &str, status: u8) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::from(status),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(status),
        Err(error) => fail(&format!("failed to write the output: {error}"), UNUSABLE),
    }
}

/// Says on standard error what went wrong and returns `status`.
pub fn fail(problem: &str, status: u8) -> ExitCode {
    // Nowhere is left to say that this failed.
    let _ = writeln!(io::stderr().lock(), "error: {problem}");
    ExitCode::from(status)
}

/// Whether standard output shows colours: a terminal that can, and nobody who asked for none (`NO_COLOR`).
pub fn has_colour() -> bool {
    let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    unset("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb") && io::stdout().is_terminal()
}
