//! Changed copies of real inputs, reproducible by seed.

pub use crate::support::random::Random;

/// The size of most inputs, and of the few large ones, in bytes.
const SIZE: usize = 4 << 10;
const LARGE: usize = 64 << 10;

/// Words with a meaning in many formats.
const WORDS: [&str; 40] = [
    "",
    "\0",
    "\n",
    "\r\n",
    "\t",
    " ",
    ":",
    ": ",
    "- ",
    "---\n",
    "...\n",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "|",
    ">-",
    "\"",
    "'",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    "#",
    "%",
    "@",
    ".",
    "-1",
    "0",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "1e999",
    "null",
    "\u{feff}",
    "\u{202e}",
    "\u{1f600}",
    "\u{e0001}",
];

/// A range of a text; most are short.
fn span_of(random: &mut Random, length: usize) -> std::ops::Range<usize> {
    let start = random.below(length + 1);
    let most = if random.below(4) == 0 { length - start } else { (length - start).min(12) };
    start..start + random.below(most + 1)
}

/// A changed copy of one of several inputs.
pub fn changed(random: &mut Random, corpus: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut input = random.one(corpus).clone();
    let size = if random.below(100) == 0 { LARGE } else { SIZE };
    for _ in 0..=random.below(8) {
        change(random, &mut input, corpus, words, size);
        input.truncate(size.max(input.len().min(SIZE)));
    }
    input
}

fn change(random: &mut Random, input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str], size: usize) {
    let range = span_of(random, input.len());
    let part = input[range.clone()].to_vec();
    let put: Vec<u8> = match random.below(9) {
        0 => Vec::new(),
        1 => vec![u8::try_from(random.below(256)).unwrap()],
        2 if !words.is_empty() => random.one(words).as_bytes().to_vec(),
        2 | 3 => random.one(&WORDS).as_bytes().to_vec(),
        4 => char::from_u32(u32::try_from(random.below(0x0011_0000)).unwrap())
            .map_or(Vec::new(), |c| c.to_string().into()),
        5 => {
            let times = 1 + random.below((size / part.len().max(1)).max(1));
            part.repeat(if random.below(3) == 0 { times } else { times.min(3) })
        }
        6 => {
            let other = random.one(corpus);
            other[span_of(random, other.len())].to_vec()
        }
        7 => part.iter().rev().copied().collect(),
        _ => {
            // A word beside the existing text.
            let mut put = part;
            let word = if words.is_empty() { random.one(&WORDS) } else { random.one(words) };
            put.extend(word.as_bytes());
            put
        }
    };
    input.splice(range, put);
}
