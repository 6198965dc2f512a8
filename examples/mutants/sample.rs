//! Selects the mutants of a run.

use std::collections::BTreeMap;

/// One change of the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The name that cargo-mutants gives it, with line and column.
    pub name: String,
    /// The name without line and column. Of several in one function the second ends with ` #2`.
    pub key: String,
}

/// The selection that the arguments request.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The size of the sample. `None`: all.
    pub sample: Option<usize>,
    pub seed: u64,
    /// The number of the part, from 0, and the number of parts.
    pub shard: Option<(u64, u64)>,
    /// Only mutants whose name or key contains one of these. Empty: all.
    pub only: Vec<String>,
}

/// Reads `1/8`.
pub fn shard(text: &str) -> Result<(u64, u64), String> {
    let parts = text.split_once('/').and_then(|(part, of)| Some((part.parse::<u64>().ok()?, of.parse::<u64>().ok()?)));
    match parts {
        Some((part, of)) if (1..=of).contains(&part) => Ok((part - 1, of)),
        _ => Err(format!("{text} is no part of a whole, such as 1/8")),
    }
}

/// The key of each name.
pub fn keyed(names: &[String]) -> Vec<Mutant> {
    let mut seen = BTreeMap::<String, usize>::new();
    let with_key = |name: &String| {
        let mut parts = name.splitn(4, ':');
        let file = parts.next().unwrap_or_default();
        let plain = format!("{file}:{}", parts.nth(2).unwrap_or_default());
        let count = seen.entry(plain.clone()).or_default();
        *count += 1;
        let key = if *count == 1 { plain } else { format!("{plain} #{count}") };
        Mutant { name: name.clone(), key }
    };
    names.iter().map(with_key).collect()
}

/// A number that is the same for the same text and seed everywhere: FNV-1a, mixed as in `SplitMix64`.
fn rank(text: &str, seed: u64) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut mixed = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    mixed = mixed.wrapping_add(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The mutants of a run, in the order of their files. Each has a rank by seed and key, and a sample has the lowest ranks:
/// where the code changes a little, the sample changes a little.
pub fn choose<'a>(all: &'a [Mutant], wanted: &Wanted) -> Vec<&'a Mutant> {
    let is_wanted = |mutant: &Mutant| {
        let is_named = |part: &String| mutant.name.contains(part) || mutant.key == *part;
        let in_shard = wanted.shard.is_none_or(|(part, of)| rank(&mutant.key, 0) % of == part);
        in_shard && (wanted.only.is_empty() || wanted.only.iter().any(is_named))
    };
    let mut chosen: Vec<(u64, usize)> = (0..all.len())
        .filter(|index| is_wanted(&all[*index]))
        .map(|index| (rank(&all[index].key, wanted.seed), index))
        .collect();
    chosen.sort_unstable();
    chosen.truncate(wanted.sample.unwrap_or(usize::MAX));
    let mut indexes: Vec<usize> = chosen.into_iter().map(|(_, index)| index).collect();
    indexes.sort_unstable();
    indexes.into_iter().map(|index| &all[index]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<Mutant> {
        keyed(&(1..=60).map(|line| format!("src/a.rs:{line}:5: replace f{line} -> bool with true")).collect::<Vec<_>>())
    }

    fn sampled(all: &[Mutant], sample: usize, seed: u64) -> Vec<&Mutant> {
        choose(all, &Wanted { sample: Some(sample), seed, ..Wanted::default() })
    }

    #[test]
    fn key_has_no_line_and_tells_equal_mutants_apart() {
        let names =
            ["src/a.rs:1:5: delete ! in f::g", "src/a.rs:2:5: delete ! in f::g", "src/b.rs:1:5: delete ! in f::g"];
        let keys: Vec<_> = keyed(&names.map(str::to_owned)).into_iter().map(|mutant| mutant.key).collect();
        assert_eq!(keys, ["src/a.rs: delete ! in f::g", "src/a.rs: delete ! in f::g #2", "src/b.rs: delete ! in f::g"]);
    }

    #[test]
    fn sample_depends_on_seed_and_size_alone() {
        let all = some();
        assert_eq!(sampled(&all, 9, 7), sampled(&all, 9, 7));
        assert_ne!(sampled(&all, 9, 7), sampled(&all, 9, 8));
        let (small, large) = (sampled(&all, 9, 7), sampled(&all, 30, 7));
        assert_eq!(small.len(), 9);
        assert!(small.iter().all(|mutant| large.contains(mutant)));
        // A mutant that is new displaces at most one.
        let fewer = all[1..].to_vec();
        let kept = sampled(&fewer, 9, 7);
        assert!(small.iter().filter(|mutant| !kept.contains(*mutant)).count() <= 1);
    }

    #[test]
    fn shards_have_each_mutant_once() {
        let all = some();
        let part = |text: &str| choose(&all, &Wanted { shard: Some(shard(text).unwrap()), ..Wanted::default() });
        let parts = [part("1/3"), part("2/3"), part("3/3")];
        assert!(parts.iter().all(|part| !part.is_empty()));
        assert_eq!(parts.concat().len(), all.len());
        assert!(all.iter().all(|mutant| parts.concat().contains(&mutant)));
        for wrong in ["0/3", "4/3", "3", "a/b", "1/0"] {
            assert!(shard(wrong).is_err(), "{wrong}");
        }
    }
}
