//! guestlist manages guest access to shared accounts declaratively. It is a functional core with two shells. Data flows
//! in one direction:
//!
//! ```text
//! YAML / watch events ──▶ api ──▶ cache ──▶ validation + plan ──▶ engine ──▶ executor ──▶ directory, Kubernetes
//! ```
//!
//! | module | contents | may use |
//! |---|---|---|
//! | [`util`] | a small map, a coalesced read, suggestions, the clock, panic reports | no module |
//! | [`api`] | the three custom resources: serde, schema, CEL | `util` |
//! | [`domain`] | types without rules: addresses, roles, durations, names, reasons | no module |
//! | [`validation`] | the rules of a spec, their messages, and the catalog of reasons | `api`, `domain` |
//! | [`yaml`] | reads YAML and JSON as kubectl does, with positions | `domain`, `util` |
//! | [`workspace_policy`] | the workspace policy: domains, Host Admins and namespaces | `domain`, `util`, `yaml` |
//! | [`cache`] | the declared objects in memory, and the objects that an event affects | `api`, `domain`, `validation` |
//! | [`directory`] | the identity backends behind two traits, and a cache of their records | `domain`, `util` |
//! | [`plan`] | pure: (declared, observed, now) → operations, status, next check | all above, no I/O |
//! | [`engine`] | pure: a state machine with inputs and tasks | all above, no I/O |
//! | [`executor`] | runs tasks on a directory and on an object store | all above |
//! | [`operator`] | everything that needs a Kubernetes client | all above |
//! | [`cli`] | the command line | all above |
//!
//! `tests/core/boundaries.rs` checks these boundaries.

pub mod api;
pub mod cache;
pub mod cli;
pub mod directory;
pub mod domain;
pub mod engine;
pub mod executor;
pub mod operator;
pub mod plan;
pub mod util;
pub mod validation;
pub mod workspace_policy;
pub mod yaml;
