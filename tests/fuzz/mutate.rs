//! Changed copies of real inputs. A seed always gives the same one.

/// The size of most inputs, and of the few large ones, in bytes.
const SIZE: usize = 4 << 10;
const LARGE: usize = 64 << 10;

/// Words that have a meaning in many formats.
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

/// Random numbers that a seed repeats.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64: neighbouring seeds have nothing in common.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    pub fn one<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// A range of a text; most are short.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let most = if self.below(4) == 0 { length - start } else { (length - start).min(12) };
        start..start + self.below(most + 1)
    }
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
    let range = random.range(input.len());
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
            other[random.range(other.len())].to_vec()
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
