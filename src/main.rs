//! The `guestlist` binary: parse arguments, call the library.
use std::process::ExitCode;

fn main() -> ExitCode {
    guestlist::cli::main()
}
