//! Texts of a few ten thousand bytes that are built to use much time or memory: aliases of large values, depth, width,
//! and one very long line.

/// The texts with their names. Each repeats its part `many` times.
pub fn shapes(many: usize) -> Vec<(&'static str, String)> {
    let numbered = |line: &dyn Fn(usize) -> String| (0..many).map(line).collect::<String>();
    let long = "x".repeat(4 * many);
    let doubled = |open: &str, close: &str| {
        let level = |n: usize| format!("a{n}: &a{n} {open}*a{0}, *a{0}{close}\n", n - 1);
        format!("a0: &a0 {open}1{close}\n{}", (1..40).map(level).collect::<String>())
    };
    vec![
        ("aliases of a long text", format!("a: &a {long}\nb:\n{}", "- *a\n".repeat(many))),
        ("aliases of a long text in a line", format!("a: &a {long}\nb: [{}]\n", "*a,".repeat(many))),
        ("aliases of a long key", format!("a: &a {long}\nb:\n{}", "- {? *a : 1}\n".repeat(many))),
        ("merge keys of a long text", format!("a: &a {{b: {long}}}\nc:\n{}", "- {<<: *a}\n".repeat(many))),
        ("merge keys of many entries", {
            let entries = (0..300).map(|n| format!("k{n}: 1, ")).collect::<Vec<_>>().concat();
            format!("a: &a {{{entries}}}\nc:\n{}", "- <<: *a\n".repeat(many))
        }),
        ("aliases of aliases", doubled("[", "]")),
        ("lists in lists", "[".repeat(many)),
        ("maps in maps", "{a: ".repeat(many)),
        ("closed lists in lists", "[".repeat(many) + &"]".repeat(many)),
        ("JSON in JSON", "{\"a\":".repeat(many)),
        ("lists in a block", "- ".repeat(many)),
        ("keys in a block", (0..1000).map(|n| " ".repeat(n.min(200)) + "a:\n").collect()),
        ("questions", "? ".repeat(many)),
        ("tags", "!!str ".repeat(many)),
        ("anchors", numbered(&|n| format!("- &a{n} {n}\n"))),
        ("keys", numbered(&|n| format!("k{n}: v\n"))),
        ("the same key", "a: b\n".repeat(many)),
        ("keys in a line", format!("{{{}}}", numbered(&|n| format!("k{n}: v, ")))),
        ("documents", "a: b\n---\n".repeat(many)),
        ("separators", "---\n".repeat(many)),
        ("JSON values", "{\"a\": 1}\n".repeat(many)),
        ("a stream of JSON that ends badly", "{\"a\": 1}\n".repeat(many) + "["),
        ("an open quote", format!("a: \"{long}")),
        ("open quotes in JSON", "{\"a\": \"".repeat(many)),
        ("a long key", format!("{long}: 1\n")),
        ("a long number", format!("a: {}\n", "9".repeat(4 * many))),
        ("a long fraction", format!("a: 0.{}e-{}\n", "9".repeat(many), "9".repeat(many))),
        ("a sexagesimal number", format!("a: 1{}\n", ":59".repeat(many))),
        ("backslashes", format!("a: \"{}\"\n", "\\\\".repeat(many))),
        ("escapes", format!("a: \"{}\"\n", "\\U0001F600".repeat(many))),
        ("comments", "# a\n".repeat(many)),
        ("blanks", " ".repeat(4 * many) + "a: b\n"),
        ("blanks in a value", format!("a: b{}c\n", " ".repeat(8 * many))),
        ("no-break spaces in a value", format!("a: b{}c\n", "\u{a0}".repeat(4 * many))),
        ("no-break spaces between words", format!("a: {}\n", "b\u{a0}".repeat(4 * many))),
        ("line ends in a value", format!("a: b{} c\n", "\n".repeat(4 * many))),
        ("line ends", "a: b".to_owned() + &"\n".repeat(4 * many)),
        (
            "a block with long indentation",
            format!("a: |\n{}", (0..200).map(|n| " ".repeat(n) + "\n").collect::<String>()),
        ),
        ("colons", ":".repeat(4 * many)),
        ("colons in a list", format!("[{}]", "a: ".repeat(many))),
        ("commas", format!("[{}]", "a,".repeat(many))),
        ("dashes", "-".repeat(4 * many)),
        ("templates", "{{ a }}\n".repeat(many)),
        ("conflict markers", "<<<<<<< a\n=======\n>>>>>>> b\n".repeat(many / 4)),
    ]
}
