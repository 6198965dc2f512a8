//! Settings files that two readers of YAML read differently: the place, both readings and the fix.

use guestlist::yaml::ambiguity;

#[test]
fn settings_that_readers_read_differently_name_both_readings() {
    let fix = "write it unambiguously: a text in quotes, a number in digits, true or false";
    for (text, line, column, cause) in [
        ("a: b\nä: tRue\n", 2, 4, r#"this reads as "\"tRue\"" or as "true""#),
        ("a: {b: [c, tRue]}\n", 1, 12, r#"this reads as "\"tRue\"" or as "true""#),
        ("7e12345\n", 1, 1, r#"this reads as "\"7e12345\"" or as "null""#),
        ("- b\n- [a:]\n", 2, 4, r#"this reads as "\"a:\"" or as "{\"a\":null}""#),
        ("a: yes\n", 1, 4, r#"this reads as "true""#),
        ("a: [b, 0x10]\n", 1, 8, r#"this reads as "16""#),
        ("a: 1__0\n", 1, 4, r#"this reads as "10""#),
    ] {
        let found = ambiguity(text).unwrap_or_else(|| panic!("{text:?} is not ambiguous"));
        assert_eq!(found, (line, column, format!("ambiguous-yaml: {cause}; {fix}")), "{text:?}");
    }
}

#[test]
fn settings_that_readers_read_alike_are_not_ambiguous() {
    for text in [
        "a: 08\nb: 1.\nc: .5\nd: 1e-400\ne: 123456789012345678901234567890\n",
        "a: 0o8\nb: 0b12\nc: 12:30\nd: 2027-01-01\ne: _1\nf: inf\ng: <<\nh: =\n",
        "- 1.0\n- true\n- ~\n- Null\n- ''\n- []\n- {}\n- [[a], {b: c}]\n",
        "a: >\n x\n\n  y\n z\nb: |2+\n   x\n\nc: 'it''s'\nd: \"\\e\\x41\"\n",
    ] {
        assert_eq!(ambiguity(text), None, "{text:?}");
    }
}
