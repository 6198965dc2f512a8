//! `guestlist check` as a process: what it reads, what it says of each rule, and how it writes it.

mod differential;
mod directories;
mod messages;
mod objects;
mod output;
mod together;
mod yaml;
