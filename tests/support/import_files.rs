//! Generates files to import into directories with existing content.
#![allow(dead_code, reason = "each backend uses what it needs")]

use guestlist::directory::{AccountRecord, Import, UserRecord};
use guestlist::domain::Email;

/// A source of numbers that repeat in each run.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn yes(&mut self) -> bool {
        self.below(2) == 0
    }

    fn some<T: Clone>(&mut self, all: &[T]) -> Vec<T> {
        all.iter().filter(|_| self.yes()).cloned().collect()
    }

    /// A file with some of a few people and accounts. Two files rarely match, but often contain the same people.
    pub fn file(&mut self, of: &str) -> Import {
        let people: Vec<Email> = (0..5)
            .map(|n| Email::parse(&format!("{}{of}@host.example", ["ann", "ben", "cyd", "dee", "eve"][n])).unwrap())
            .collect();
        let user = |numbers: &mut Self, email: Email| UserRecord {
            email,
            name: ["Ann", "Ann Example", "A. Other"][numbers.below(3)].to_owned(),
            enabled: numbers.yes(),
            verified: numbers.yes(),
        };
        let chosen = self.some(&people);
        let users = chosen.into_iter().map(|email| user(self, email)).collect();
        let names: Vec<String> =
            ["instagram", "tiktok", "billing portal", "wiki"].map(|name| format!("{name}{of}")).to_vec();
        let chosen = self.some(&names);
        let account =
            |numbers: &mut Self, name: String| AccountRecord { name, owners: numbers.some(&people), deleted: false };
        let accounts = chosen.into_iter().map(|name| account(self, name)).collect();
        Import { users, accounts }
    }
}
