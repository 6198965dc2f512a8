//! `guestlist check` as a process: its input, its report of each rule, and its formats.

mod differential;
mod directories;
mod messages;
mod objects;
mod output;
mod together;
mod yaml;
