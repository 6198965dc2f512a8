//! `guestlist check` as a process: what it reads, what it says of each rule, and how it writes it.

mod output;
mod pairs;
mod support;
mod together;
mod yaml;
