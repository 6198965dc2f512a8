//! Unusual spellings of people and tools, one to three in a text.

use super::manifests;
use super::odd::{
    CHARACTERS, DOCUMENTS, JSON, LINES, MERGED, MERGES, METADATA, PARTS_OF_METADATA, SCALARS, SEPARATORS, TYPES,
};

pub use crate::support::random::Random;

type Habit = fn(&mut String, &mut Random);

const HABITS: &[Habit] = &[
    odd_scalar,
    odd_scalar,
    odd_scalar,
    odd_line,
    odd_line,
    merge_keys,
    merge_keys,
    separators,
    separators,
    line_ends,
    marks,
    tabs,
    tabs,
    comments,
    tags,
    repeat_line,
    move_line,
    indentation,
    keys,
    no_final_line_end,
    json,
    characters,
    characters,
    cut,
    whole_document,
    deep,
    templates,
    aliases,
    flow,
    metadata,
    nested_lists,
];

/// A text with one to three unusual spellings.
pub fn text(random: &mut Random) -> Vec<u8> {
    let mut text = manifests::manifests(random);
    for _ in 0..=random.below(3) {
        if !text.is_empty() {
            HABITS[random.below(HABITS.len())](&mut text, random);
        }
    }
    encode(text, random)
}

/// A text whose metadata has a field of any type.
pub fn metadata_text(random: &mut Random) -> Vec<u8> {
    let mut text = manifests::manifests(random);
    metadata(&mut text, random);
    text.into_bytes()
}

fn lines(text: &str) -> Vec<String> {
    text.split_inclusive('\n').map(str::to_owned).collect()
}

fn any_line(text: &mut String, random: &mut Random, change: impl FnOnce(&mut String, &mut Random)) {
    let mut all = lines(text);
    let at = random.below(all.len());
    if let Some(line) = all.get_mut(at) {
        change(line, random);
    }
    *text = all.concat();
}

/// Inserts text before or after a random line.
fn insert(text: &mut String, random: &mut Random, what: &str) {
    let mut all = lines(text);
    let at = random.below(all.len() + 1);
    all.insert(at, what.to_owned());
    *text = all.concat();
}

fn odd_scalar(text: &mut String, random: &mut Random) {
    let scalar = random.pick(SCALARS);
    any_line(text, random, |line, _| {
        let head = line.find(": ").map(|at| at + 2).or_else(|| line.find("- ").map(|at| at + 2));
        if let Some(head) = head {
            line.truncate(head);
            line.push_str(scalar);
            line.push('\n');
        }
    });
}

fn odd_line(text: &mut String, random: &mut Random) {
    let line = random.pick(LINES);
    insert(text, random, line);
}

fn merge_keys(text: &mut String, random: &mut Random) {
    let (first, second) = (random.pick(MERGED), random.pick(MERGED));
    let head: &[&str] = &["metadata:\n", "spec:\n", "apiVersion"];
    if let Some(at) = text.find(random.pick(head)) {
        let anchors = format!("x-first: &first {first}\nx-second: &second {second}\n");
        text.insert_str(at, &anchors);
    }
    let merge = random.pick(MERGES);
    match text.find("spec:\n").filter(|_| random.below(2) == 0) {
        Some(at) => text.insert_str(at + "spec:\n".len(), merge),
        None => insert(text, random, merge),
    }
}

fn separators(text: &mut String, random: &mut Random) {
    let separator = random.pick(SEPARATORS);
    match random.below(4) {
        0 => text.insert_str(0, separator),
        1 => text.push_str(separator),
        _ => *text = text.replace("---\n", separator),
    }
}

fn line_ends(text: &mut String, random: &mut Random) {
    let end = random.pick(&["\r\n", "\r\n", "\r", "\u{85}", "\u{2028}", "\r\r\n", "\n\r"]);
    if random.below(2) == 0 {
        *text = text.replace('\n', end);
    } else {
        any_line(text, random, |line, _| *line = line.replace('\n', end));
    }
}

fn marks(text: &mut String, random: &mut Random) {
    let mark = '\u{feff}';
    match random.below(5) {
        0 => text.insert(0, mark),
        1 => *text = text.replace("---\n", "---\n\u{feff}"),
        2 => *text = text.replace("---\n", "\u{feff}---\n"),
        3 => *text = format!("{mark}{mark}{text}"),
        _ => any_line(text, random, |line, _| line.insert(0, mark)),
    }
}

fn tabs(text: &mut String, random: &mut Random) {
    any_line(text, random, |line, random| {
        *line = match random.below(8) {
            0 => line.replacen("  ", "\t", 1),
            1 => line.replacen("- ", "-\t", 1),
            2 => line.replacen(": ", ":\t", 1),
            3 => line.replacen(": ", ": \t", 1),
            4 => line.replace('\n', "\t\n"),
            5 => line.replacen(':', "\t:", 1),
            6 => format!("\t{line}"),
            _ => line.replacen("- ", "- \t", 1),
        };
    });
}

fn comments(text: &mut String, random: &mut Random) {
    let comment =
        random.pick(&[" # c", "# c", "#", " #", " \u{2028}# c", " # c\u{2028}  role: x", " # \u{e4}", "\t# c", " #\t"]);
    any_line(text, random, |line, _| *line = line.replace('\n', &format!("{comment}\n")));
}

fn tags(text: &mut String, random: &mut Random) {
    let tag = random.pick(&[
        "!!str ",
        "!!map ",
        "!!seq ",
        "!!int ",
        "!!bool ",
        "!x ",
        "! ",
        "&a ",
        "&a !!str ",
        "!!python/object:x ",
        "!!binary ",
        "!<x> ",
        "!!null ",
    ]);
    any_line(text, random, |line, random| {
        if random.below(3) == 0 {
            let at = line.len() - line.trim_start().len();
            line.insert_str(at, tag);
        } else {
            *line = line.replacen(": ", &format!(": {tag}"), 1).replacen(":\n", &format!(": {tag}\n"), 1);
        }
    });
}

fn repeat_line(text: &mut String, random: &mut Random) {
    let all = lines(text);
    let line = all[random.below(all.len())].clone();
    insert(text, random, &line);
}

fn move_line(text: &mut String, random: &mut Random) {
    let mut all = lines(text);
    let line = all.remove(random.below(all.len()));
    *text = all.concat();
    insert(text, random, &line);
}

fn indentation(text: &mut String, random: &mut Random) {
    match random.below(4) {
        0 => *text = text.replace("\n  ", "\n    "),
        1 => *text = lines(text).iter().flat_map(|line| [" ", line]).collect(),
        _ => any_line(text, random, |line, random| {
            if random.below(2) == 0 {
                line.insert_str(0, &" ".repeat(1 + random.below(3)));
            } else if line.starts_with(' ') {
                line.remove(0);
            }
        }),
    }
}

fn keys(text: &mut String, random: &mut Random) {
    let long = format!("{}: x", "k".repeat(1000 + random.below(60)));
    let quoted = format!("\"{}\": x", "k".repeat(1000 + random.below(60)));
    any_line(text, random, |line, random| {
        let pad = line.len() - line.trim_start().len();
        let key = line.trim().split(':').next().unwrap_or_default().to_owned();
        match random.below(7) {
            0 => line.insert_str(pad, &format!("{long}\n{}", " ".repeat(pad))),
            1 => line.insert_str(pad, &format!("{quoted}\n{}", " ".repeat(pad))),
            2 => line.insert_str(pad, "? "),
            3 => *line = line.replacen(&key, &format!("\"{key}\""), 1),
            4 => *line = line.replacen(&key, &format!("'{key}' "), 1),
            5 => *line = line.replacen(": ", ":", 1),
            _ => *line = line.replacen(": ", "=", 1),
        }
    });
}

fn no_final_line_end(text: &mut String, random: &mut Random) {
    *text = text.trim_end().to_owned();
    let block = random.pick(&[
        "",
        "\n  email: |\n    bob@acme.example",
        "\n  email: >-\n    bob@acme.example",
        "\n  email: |+\n    bob@acme.example",
        "\n  note: |\n    a\n\n",
        "\n  note: 'a",
        "\n---",
        "\n...",
        "\n# c",
        "\n  role:",
        "\n  - ",
        "\n  role: \"x\"",
    ]);
    text.push_str(block);
}

fn json(text: &mut String, random: &mut Random) {
    let object = |name: &str| {
        format!(
            r#"{{"apiVersion": "guestlist.dev/v1alpha1", "kind": "LocalPartner", "metadata": {{"name": "{name}"}}, "spec": {{"hostAdmins": ["a\/b", "\u00e4", 1e3, -0, 1.0, true, null]}}}}"#
        )
    };
    let (a, b) = (object("a"), object("b"));
    let value = random.pick(JSON);
    *text = match random.below(9) {
        0 => a,
        1 => format!("{a}\n{b}\n"),
        2 => format!("{a}{b}"),
        3 => format!("{a}\n---\n{text}"),
        4 => format!("{a}\n{b}\n---\n{text}"),
        5 => format!("{text}---\n{a}\n"),
        6 => format!("{a}\n{value}\n"),
        7 => format!("{a}\n{text}"),
        _ => format!("  \n{value}\n{a}\n"),
    };
}

fn characters(text: &mut String, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let Some(at) = places.get(random.below(places.len())).copied() else { return };
        match random.below(3) {
            0 => {
                text.remove(at);
            }
            1 => text.insert_str(at, random.pick(CHARACTERS)),
            _ => {
                text.remove(at);
                text.insert_str(at, random.pick(CHARACTERS));
            }
        }
    }
}

fn cut(text: &mut String, random: &mut Random) {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    if let Some(at) = places.get(random.below(places.len())).copied() {
        text.truncate(at);
    }
}

fn whole_document(text: &mut String, random: &mut Random) {
    let document = random.pick(DOCUMENTS);
    *text = if random.below(2) == 0 { format!("{document}\n---\n{text}") } else { format!("{text}---\n{document}\n") };
}

fn deep(text: &mut String, random: &mut Random) {
    // serde_json cannot compare depths between these.
    let depth = [random.below(100), 260 + random.below(200)][random.below(2)];
    let nested = match random.below(3) {
        0 => format!("x: {}{}\n", "[".repeat(depth), "]".repeat(depth)),
        1 => format!("x: {}1{}\n", "{a: ".repeat(depth), "}".repeat(depth)),
        _ => format!("x:\n  {}a\n", "- ".repeat(depth)),
    };
    text.push_str(&nested);
}

fn templates(text: &mut String, random: &mut Random) {
    let template = random.pick(&[
        "{{ .Values.x }}",
        "{{ .Values.x | quote }}",
        "\"{{ .Values.x }}\"",
        "{{- if .x -}}",
        "{{ x }}: y",
        "${X}",
        "%{X}",
        "<% x %>",
        "((x))",
        "@x@",
        "#{x}#",
        "[[ x ]]",
        "{% x %}",
    ]);
    any_line(text, random, |line, random| match line.find(": ").filter(|_| random.below(3) > 0) {
        Some(at) => *line = format!("{}: {template}\n", &line[..at]),
        None => line.insert_str(0, &format!("{template}\n")),
    });
}

fn aliases(text: &mut String, random: &mut Random) {
    let width = 2 + random.below(9);
    let levels = 2 + random.below(8);
    let mut bomb = format!("x0: &x0 [{}]\n", vec!["x"; width].join(", "));
    for level in 1..levels {
        bomb.push_str(&format!("x{level}: &x{level} [{}]\n", vec![format!("*x{}", level - 1); width].join(", ")));
    }
    match random.below(4) {
        0 => text.push_str(&bomb),
        1 => text.push_str("x: &x [*x]\ny: &y {a: *y}\n"),
        2 => text.push_str("x: &x 1\ny: *x\nx2: &x 2\nz: *x\n"),
        _ => text.push_str("x: &x {a: &y b}\ny: *y\nz: *x\nw: *w\n"),
    }
}

fn flow(text: &mut String, random: &mut Random) {
    let depth = 2;
    let value = flow_value(random, depth);
    text.push_str(&format!("flow: {value}\n"));
}

/// A field of the metadata with a value of any type.
fn metadata(text: &mut String, random: &mut Random) {
    let value = random.pick(TYPES);
    let part = random.pick(PARTS_OF_METADATA);
    let field = match random.below(3) {
        0 => format!("  {}: {value}\n", random.pick(METADATA)),
        1 => format!("  managedFields: [{{{part}: {value}}}]\n"),
        _ => format!("  ownerReferences: [{{{part}: {value}}}]\n"),
    };
    let head = "metadata:\n";
    if let Some(at) = text.find(head) {
        text.insert_str(at + head.len(), &field);
    }
}

/// All documents as items of one list, and some of these in lists of their own.
fn nested_lists(text: &mut String, random: &mut Random) {
    let documents: Vec<String> = text.split("---\n").map(str::to_owned).collect();
    let items = documents.into_iter().map(|document| match random.below(2) {
        0 => document,
        _ => manifests::list(random.pick(&["List", "LocalPartnerList"]), &[document]),
    });
    let items: Vec<String> = items.collect();
    *text = manifests::list(random.pick(&["List", "GuestMembershipList"]), &items);
}

/// A value in flow style, down to this depth.
fn flow_value(random: &mut Random, depth: usize) -> String {
    if depth == 0 || random.below(3) == 0 {
        return random.pick(SCALARS).replace("\n    ", "\n  ");
    }
    let comma = random.pick(&[", ", ",", " , ", ",\n  ", "\n  , ", ", # c\n  ", ",,", " "]);
    let colon = random.pick(&[": ", ": ", ": ", ":", " : ", " :", ":\n   ", ":\t"]);
    let end = random.pick(&["", "", "", ",", " ", "\n  ", ", "]);
    let count = random.below(4);
    let is_map = random.below(2) == 0;
    let parts: Vec<String> = (0..count)
        .map(|number| {
            let key = if is_map {
                let quote = random.pick(&["", "", "\"", "'"]);
                format!("{quote}k{number}{quote}{colon}")
            } else {
                String::new()
            };
            key + &flow_value(random, depth - 1)
        })
        .collect();
    let parts = parts.join(comma);
    if is_map { format!("{{{parts}{end}}}") } else { format!("[{parts}{end}]") }
}

/// The bytes of a text: mostly UTF-8.
fn encode(text: String, random: &mut Random) -> Vec<u8> {
    let wide = |text: &str, unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    match random.below(40) {
        0 => [vec![0xff, 0xfe], wide(&text, u16::to_le_bytes)].concat(),
        1 => [vec![0xfe, 0xff], wide(&text, u16::to_be_bytes)].concat(),
        2 => wide(&text, u16::to_le_bytes),
        3 => [vec![0xff, 0xfe, 0, 0], text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()].concat(),
        4 => text.replace('a', "\u{1}").into_bytes().iter().map(|byte| if *byte == 1 { 0xe4 } else { *byte }).collect(),
        5 => [text.into_bytes(), vec![0x1a]].concat(),
        _ => text.into_bytes(),
    }
}
