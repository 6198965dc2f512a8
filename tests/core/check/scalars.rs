//! The texts of scalars: each escape, and line ends in each style.

use guestlist::yaml;
use serde_json::{Value, json};

/// The value of `a` in a document.
fn value(text: &str) -> Value {
    let (documents, problems) = yaml::read(text);
    assert_eq!(problems, [], "{text:?}");
    documents[0].get("a").map_or(Value::Null, yaml::node::Node::to_json)
}

#[test]
fn each_escape_of_kubectl_is_its_character() {
    for (escape, character) in [
        ("\\0", "\0"),
        ("\\a", "\u{7}"),
        ("\\b", "\u{8}"),
        ("\\t", "\t"),
        ("\\\t", "\t"),
        ("\\n", "\n"),
        ("\\v", "\u{b}"),
        ("\\f", "\u{c}"),
        ("\\r", "\r"),
        ("\\e", "\u{1b}"),
        ("\\ ", " "),
        ("\\\"", "\""),
        ("\\'", "'"),
        ("\\\\", "\\"),
        ("\\N", "\u{85}"),
        ("\\_", "\u{a0}"),
        ("\\L", "\u{2028}"),
        ("\\P", "\u{2029}"),
        ("\\x4a", "J"),
        ("\\u20aC", "€"),
        ("\\U0001F600", "\u{1f600}"),
        ("\\\n  ", ""),
        ("\\\r\n  ", ""),
        ("\\\n  \\ b", " b"),
    ] {
        assert_eq!(value(&format!("a: \"x{escape}y\"\n")), json!(format!("x{character}y")), "{escape:?}");
    }
    // Single quotes have one escape.
    assert_eq!(value("a: 'x''y\\n'\n"), json!("x'y\\n"));
}

#[test]
fn line_ends_become_spaces_and_empty_lines_line_ends() {
    let lines = [
        ("x\n  y", "x y"),
        ("x  \n\t y", "x y"),
        ("x\n\n  y", "x\ny"),
        ("x\n\n \n  y", "x\n\ny"),
        ("x \t y", "x \t y"),
    ];
    for (text, expected) in lines {
        for (open, close) in [("", ""), ("'", "'"), ("\"", "\""), ("[", "]"), ("['", "']")] {
            // A tab begins no line of an unquoted scalar.
            let is_plain = matches!(open, "" | "[");
            let text = if is_plain { text.replace("\n\t", "\n ") } else { text.to_owned() };
            let expected = if open.starts_with('[') { json!([expected]) } else { json!(expected) };
            assert_eq!(value(&format!("a: {open}{text}{close}\n")), expected, "{open}{text:?}");
        }
    }
}

#[test]
fn block_scalar_keeps_lines_by_its_header() {
    let body = "\n   x\n   y\n\n    z\n   v\n\n\n";
    let (literal, folded) = ("x\ny\n\n z\nv", "x y\n\n z\nv");
    for (sign, text) in [("|", literal), (">", folded)] {
        for (chomp, end) in [("", "\n"), ("-", ""), ("+", "\n\n\n")] {
            for header in [chomp.to_owned(), format!("{chomp} # c"), format!("{chomp} \t")] {
                assert_eq!(value(&format!("a: {sign}{header}{body}")), json!(format!("{text}{end}")), "{sign}{header}");
            }
            // With a digit, further indentation is text.
            for header in [format!("2{chomp}"), format!("{chomp}2")] {
                let lines = " x\n y\n\n  z\n v";
                assert_eq!(
                    value(&format!("a: {sign}{header}{body}")),
                    json!(format!("{lines}{end}")),
                    "{sign}{header}"
                );
            }
        }
    }
    for (text, expected) in [
        ("a: |\n\n  x\n", "\nx\n"),
        ("a: |\n  x\nb: c\n", "x\n"),
        ("a: |+\n\nb: c\n", "\n"),
        ("a: |\nb: c\n", ""),
        ("a: |-\n  x", "x"),
        ("a: |\n  x", "x\n"),
        ("a: >\n  x\n  \ty\n  z\n", "x\n\ty\nz\n"),
        ("a: >\n\n  x\n\n  y\n", "\nx\ny\n"),
    ] {
        assert_eq!(value(text), json!(expected), "{text:?}");
    }
    // In a list, the indentation is that of the list.
    assert_eq!(value("a:\n- |\n x\n- |1\n  y\n"), json!(["x\n", " y\n"]));
}
