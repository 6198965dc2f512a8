//! Everything that reads text of others holds against any text: nothing panics, hangs or takes memory without bound, and
//! text that is accepted and printed reads as the same value.
//!
//! The inputs are changed copies of real ones. `GUESTLIST_FUZZ_SEED` and `GUESTLIST_FUZZ_INPUTS` set where they begin and
//! how many there are; both are fixed otherwise. An input that found a fault belongs into `tests/fuzz/corpus/SUBJECT`, which
//! each run reads too.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod harness;
mod keycloak;
mod manifests;
mod mutate;
mod objects;
mod settings;
mod shapes;
mod sqlite;
mod texts;

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
