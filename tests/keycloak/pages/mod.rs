//! Real people with real pages: what a guest reads, clicks and types from his invitation to an application, and what its
//! tokens say of him after each thing that is done to him.

mod adopted;
mod habits;
mod halfway;
mod interrupted;
mod joining;
mod locked_out;
mod mails;
mod named;
mod refused;
mod stage;
mod taken;
