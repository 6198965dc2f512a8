//! Every reader of untrusted text accepts or refuses any text: no text makes it panic, hang or use unbounded memory.
//! An accepted and printed text reads as the same value.
//!
//! The inputs are changed copies of real ones. `GUESTLIST_FUZZ_SEED` sets their seed, and `GUESTLIST_FUZZ_INPUTS` their
//! number; both have fixed defaults. Add an input that finds a fault to `tests/local/fuzz/corpus/SUBJECT`: each run checks it.

mod harness;
mod keycloak;
mod manifests;
mod mutate;
mod objects;
mod policies;
mod shapes;
mod sqlite;
mod texts;

use peak_alloc::PeakAlloc;

/// Measures the whole process. The other tests of this binary use little memory compared with the limits.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
