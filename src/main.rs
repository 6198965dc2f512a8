//! The `guestlist` binary: parse arguments, call the library.
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    guestlist::cli::main()
}
