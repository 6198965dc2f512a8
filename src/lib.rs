//! guestlist keeps guest access to shared accounts declarative. A functional core with two shells; data flows one way:
//!
//! ```text
//! YAML / watch events ──▶ api ──▶ index ──▶ rules + plan (pure) ──▶ directory ──▶ status, events, metrics
//! ```
//!
//! | module | what it is | what it may use |
//! |---|---|---|
//! | [`api`] | the three custom resources on the wire: serde, schema, CEL | nothing of ours |
//! | [`rules`] | the rules: types, terms, one small function each | `api` |
//! | `few` | a map of few entries | nothing of ours |
//! | `fresh` | one live reading shared by all who asked before it began | nothing of ours |
//! | `panic_report` | the message of a panic, without quoted text | nothing of ours |
//! | `wording` | what people are told of a text that they wrote | nothing of ours |
//! | [`yaml`] | reads YAML and JSON as kubectl does, with places | `rules` |
//! | [`workspace`] | the workspace policy: domains, Host Admins and namespaces | `rules`, `wording`, `yaml` |
//! | [`index`] | the declared world in memory; says which objects an event touches | `api`, `rules` |
//! | [`directory`] | the identity backend behind two traits, and what was last seen of it | `rules` |
//! | [`plan`] | pure: (declared, observed, now) → operations, status, next look | all above, no I/O |
//! | [`operator`] | the only place with a Kubernetes client | everything |
//! | [`cli`] | the command line | everything |
//!
//! `tests/boundaries.rs` holds these boundaries.

pub mod api;
pub mod cli;
pub mod directory;
pub mod few;
mod fresh;
pub mod index;
pub mod operator;
mod panic_report;
pub mod plan;
pub mod rules;
mod wording;
pub mod workspace;
pub mod yaml;
