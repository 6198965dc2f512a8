//! Every reader of untrusted text accepts or refuses any text: no text makes it panic, hang or take memory without bound.
//! Text that is accepted and printed reads as the same value.
//!
//! The inputs are changed copies of real ones. `GUESTLIST_FUZZ_SEED` sets their seed, and `GUESTLIST_FUZZ_INPUTS` their
//! number; both have fixed defaults. Put an input that finds a fault into `tests/fuzz/corpus/SUBJECT`: each run checks it.

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
#[path = "../support/random.rs"]
mod random;
mod settings;
mod shapes;
mod sqlite;
mod texts;

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
