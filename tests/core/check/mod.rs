//! `guestlist check` as a process: its input, its report of each rule, and its formats.

mod bounded;
mod differential;
mod directories;
mod messages;
mod objects;
mod output;
mod problems;
mod scalars;
mod settings;
mod spans;
mod together;
mod yaml;
