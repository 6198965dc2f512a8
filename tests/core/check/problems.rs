//! The problems of YAML and JSON, each with the text that it concerns, between « and ».

use guestlist::yaml::{self, ProblemKind, manifest, metadata};

/// The first problem of a text: of its syntax, then of its objects.
fn problem(text: &str) -> Option<yaml::Problem> {
    let (documents, problems) = yaml::read(text);
    let of_objects = || {
        let mut objects = documents.into_iter().map(manifest::objects);
        objects.find_map(|found| match found {
            Ok(objects) => objects.iter().find_map(metadata::problem),
            Err(problem) => Some(problem),
        })
    };
    problems.into_iter().next().or_else(of_objects)
}

/// A text with its problem between « and ».
fn marked(text: &str, problem: &yaml::Problem) -> String {
    let (start, end) = (problem.span.start, problem.span.end);
    format!("{}«{}»{}", &text[..start], &text[start..end], &text[end..])
}

/// Each text has one problem, where the marks say, with this part of a message.
fn expect(kind: ProblemKind, cases: &[(&str, &str)]) {
    let faults = cases.iter().filter_map(|(expected, part)| {
        let text = expected.replace(['«', '»'], "");
        let Some(found) = problem(&text) else { return Some(format!("{text:?} has no problem")) };
        let is_alone = yaml::read(&text).1.len() < 2;
        let is_right =
            marked(&text, &found) == *expected && found.message.contains(part) && found.kind == kind && is_alone;
        (!is_right).then(|| format!("{expected:?}: {:?}, {:?}: {}", marked(&text, &found), found.kind, found.message))
    });
    let faults: Vec<String> = faults.collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn syntax_problem_of_tokens_names_its_place() {
    expect(
        ProblemKind::Syntax,
        &[
            ("«%»YAML 1.1\n---\n", "no %YAML and %TAG lines"),
            ("a: b\n«%»TAG\n", "no %YAML and %TAG lines"),
            ("a: b\n---\na: «%»b\n", "no value begins with %"),
            ("a: «@»b\n", "no value begins with @"),
            ("a: «`»b`\n", "no value begins with `"),
            ("ä: «@»b\n", "no value begins with @"),
            ("a:\n«\t»b: c\n", "a tab stands here"),
            ("a: b\n  c\n«\t»d\n", "a tab stands where this value is indented"),
            ("a: b\n«c»\nd: e\n", "no `: ` follows it on its line"),
            ("a: b\n«c»\n", "no `: ` follows it on its line"),
            ("a: «-» b\n", "a list entry cannot begin here"),
            ("a: «?» b\n", "a key cannot begin here"),
            ("a: b«:» c\n", "a second `: ` stands here"),
            ("a: «&b».c d\n", "the name of an anchor"),
            ("a: «&» d\n", "the name of an anchor"),
            ("a: «*»\n", "the name of an anchor"),
            ("a: «*b»!\n", "the name of an anchor"),
            ("a: «!!str»%21 b\n", "no tag that kubectl reads"),
            ("a: «!<x» b\n", "no tag that kubectl reads"),
            ("a: «!<»> b\n", "no tag that kubectl reads"),
            ("a: «!»{b}\n", "no tag that kubectl reads"),
            ("a: «!!» b\n", "no tag that kubectl reads"),
            ("a: «|»x\n  b\n", "may follow | or > on its line"),
            ("a: «>»0\n  b\n", "may follow | or > on its line"),
            ("a: «|-»+\n  b\n", "may follow | or > on its line"),
            ("a: «|1»2\n  b\n", "may follow | or > on its line"),
            ("a: «|- »x\n  b\n", "may follow | or > on its line"),
            ("a: «|\n »\tb\n", "a tab stands where a text block is indented"),
            ("a: «|2\n »\tb\n", "a tab stands where a text block is indented"),
            ("a: «'»b\n", "the quote that opens here is not closed"),
            ("a: «\"»b\n---\n", "the quote that opens here is not closed"),
            ("a: «'»b\n...\n'\n", "the quote that opens here is not closed"),
            ("a: \"b«\\/»c\"\n", "kubectl knows \\/ only in JSON"),
            ("a: \"b«\\z»c\"\n", "kubectl does not know this escape"),
            ("a: \"b«\\ä»c\"\n", "kubectl does not know this escape"),
            ("a: \"«\\x»4\"\n", "2 hexadecimal digits"),
            ("a: \"«\\u»12g4\"\n", "4 hexadecimal digits"),
            ("a: \"«\\u»d800\"\n", "4 hexadecimal digits"),
            ("a: \"«\\U»00110000\"\n", "8 hexadecimal digits"),
            ("a: \"«\\x»+f\"\n", "2 hexadecimal digits"),
        ],
    );
}

#[test]
fn syntax_problem_of_nodes_names_its_place() {
    expect(
        ProblemKind::Syntax,
        &[
            ("a: «*b»\n", "there is no anchor &b"),
            ("a: &b [«*b»]\n", "inside the value that it names"),
            ("a: «[»b\n", "the bracket that opens here is not closed"),
            ("a: «{»b: c\n", "the bracket that opens here is not closed"),
            ("a: «[»b,\n", "the bracket that opens here is not closed"),
            ("a: «{»b: c,\n...\n", "the bracket that opens here is not closed"),
            ("a: [b «{»c}]\n", "a comma or ] belongs here"),
            ("a: {b: [c] «'d'»}\n", "a comma or } belongs here"),
            ("a: [b, «,»]\n", "a value is missing before this"),
            ("a: {b: c, «,»}\n", "a value is missing before this"),
            ("a: [«?» , b]\n", "a key is missing here"),
            ("a: [«:» b]\n", "a value is missing before this"),
            ("- a\n«»b: c\n", "begins with `- `, belongs here"),
            ("a:\n  b: c\n «»d: e\n", "a key of the map above"),
            ("a: b\n«-» c\n", "a key of the map above"),
            ("a: «!x!y» b\n", "kubectl does not know the tag !x!y"),
            ("a: &b «&c» d\n", "a key of the map above"),
            ("a: {<<: «b»}\n", "takes a map or a list of maps"),
            ("a: {<<: [«b»]}\n", "takes a map or a list of maps"),
            ("b: &b [{c: d}]\na: {<<: [«*b»]}\n", "takes a map or a list of maps"),
            ("a: {«~»: b}\n", "a key is empty or null"),
            ("? «[a»]\n: b\n", "a list or a map cannot be a key"),
            ("a: !!int «b»\n", "\"b\" does not read as !!int"),
            ("a: !!bool «\"b\"»\n", "does not read as !!bool"),
            ("a: !!null «b»\n", "does not read as !!null"),
            ("a: !!float «b»\n", "does not read as !!float"),
            ("a: «.inf»\n", "no infinite number and no NaN"),
            ("a: «-.Inf»\n", "no infinite number and no NaN"),
            ("a: «.nan»\n", "no infinite number and no NaN"),
            ("«\u{feff}\u{feff}»a: b\n", "two byte order marks"),
            ("a: b«\u{7f}»\n", "kubectl refuses the character U+007F; in double quotes write \\u007F"),
            ("a: b«\u{ffff}»\n", "kubectl refuses the character U+FFFF"),
            ("a: b«\u{fffe}»\n", "kubectl refuses the character U+FFFE"),
            ("«<<<<<<< a»\n", "conflict marker of git (<<<<<<<)"),
            ("a: b\n«--- c»\n", "accepts only a comment after `---`"),
            ("«---#c»\na: b\n", "write a space before the #"),
            ("{\"a\": «1e999»}\n", "1e999 is out of the range of numbers"),
            ("{\"a\": 1} {\"b\": 2} «x»\n", "a stream of JSON values"),
        ],
    );
}

#[test]
fn problem_of_an_object_names_its_place() {
    let version = "apiVersion: v1\n";
    for (text, part) in [
        ("«- a\n- b»\n", "an object is a map, not a list; write each object after a line of ---"),
        ("«a»\n", "an object is a map, not a string"),
        ("«12»\n", "an object is a map, not the number 12"),
        ("«1.5»\n", "not the number 1.5"),
        ("«true»\n", "not the boolean true"),
        ("«a»: b\n", "apiVersion is missing"),
        ("«apiVersion»: 1\nkind: X\n", "apiVersion is missing"),
        ("kind: X\n«apiVersion»: ''\n", "apiVersion is missing"),
        ("«apiVersion»: v1\n", "kind is missing"),
        ("apiVersion: «a/b/c»\nkind: X\n", "apiVersion is GROUP/VERSION, not \"a/b/c\""),
        ("apiVersion: «a/»\nkind: X\n", "apiVersion is GROUP/VERSION"),
        ("apiVersion: «/a»\nkind: X\n", "apiVersion is GROUP/VERSION"),
        ("«kind»: List\napiVersion: v1\n", "items is missing; a list has a list of objects there"),
        ("kind: List\napiVersion: v1\n«items»: {}\n", "items is a list of objects"),
        ("kind: X\napiVersion: v1\n«items»:\n", "items is a list of objects"),
        ("kind: X\napiVersion: v1\nitems:\n- «a»\n", "an object is a map, not a string"),
        ("kind: X\napiVersion: v1\nitems:\n- «kind»: X\n  apiVersion: v1\n  items: []\n", "a list inside a list"),
        ("kind: X\napiVersion: v1\n«metadata»: a\nitems: []\n", "metadata is a map, not a string"),
    ] {
        expect(ProblemKind::Syntax, &[(text, part)]);
    }
    for (metadata, part) in [
        ("«metadata»: [a]\n", "metadata is a map, not a list"),
        ("metadata: {a: 1, «name»: 1}\n", "metadata.name is a string (in quotes), not the number 1"),
        ("metadata: {creationTimestamp: «a»}\n", "creationTimestamp is a time such as 2027-06-30T00:00:00Z, not \"a\""),
        ("metadata: {«creationTimestamp»: 1}\n", "creationTimestamp is a string (in quotes), not the number 1"),
        ("metadata: {«generation»: true}\n", "generation is a whole number, not the boolean true"),
        ("metadata: {labels: {a: b, «c»: 1}}\n", "metadata.labels.c is a string"),
        ("metadata: {«labels»: a}\n", "metadata.labels is a map, not a string"),
        ("metadata: {«finalizers»: a}\n", "metadata.finalizers is a list, not a string"),
        ("metadata: {finalizers: [a, «1»]}\n", "metadata.finalizers[1] is a string"),
        ("metadata: {ownerReferences: [{}, {«controller»: a}]}\n", "ownerReferences[1].controller is a boolean"),
        ("metadata: {ownerReferences: [{a: b}, «[»]]}\n", "ownerReferences[1] is a map, not a list"),
        ("metadata: {managedFields: [{time: «2027-01-01»}]}\n", "managedFields[0].time is a time"),
        ("metadata: {managedFields: [{«fieldsV1»: a}]}\n", "managedFields[0].fieldsV1 is a map"),
    ] {
        let text = format!("{version}kind: X\n{metadata}");
        expect(ProblemKind::Syntax, &[(&text, part)]);
    }
}

#[test]
fn ambiguous_text_names_its_place() {
    expect(
        ProblemKind::Ambiguous,
        &[
            ("a: b\n...\n«»c: d\n", "after a line of `...`"),
            ("a: b\n...\n«[»]\n", "after a line of `...`"),
            ("'a'\n«»b: c\n", "the document has ended above"),
            ("{a: b}\n«»c: d\n", "the document has ended above"),
            ("  a: 1\n«»b: 2\n", "the document has ended above"),
            ("a: &b {c: d}\ne: {<<: *b, «<<»: *b}\n", "the second merge key (<<)"),
            ("a: &b {c: d}\ne: {c: f, «<<»: *b}\n", "win over \"c\", which stands before it"),
            ("a: «!!set {b»}\n", "kubectl ignores the tag \"!!set\""),
            ("a: «!x {b: c»}\n", "kubectl ignores the tag \"!x\""),
            ("a: «!!map [b»]\n", "kubectl ignores the tag \"!!map\""),
            ("a: «!!seq {b: c»}\n", "kubectl ignores the tag \"!!seq\""),
            ("a: !!timestamp «2027-01-01»\n", "kubectl ignores the tag \"!!timestamp\""),
            ("a: ! «b»\n", "kubectl ignores the tag \"!\""),
            ("{«yes»: b}\n", "kubectl reads this key as \"true\""),
            ("{«010»: b}\n", "kubectl reads this key as \"8\""),
            ("{«1.5»: b}\n", "kubectl reads this key as \"1.5\""),
            ("a: b«\r»c: d\n", "at this carriage return"),
            ("a: b«\r»\r\n", "at this carriage return"),
            ("a: «\u{85}»b\n", "at U+0085; in double quotes write \\u0085"),
            ("a: «\u{2028}»b\n", "at U+2028"),
            ("a: «\u{2029}»b\n", "at U+2029"),
            ("a: b\n«\u{feff}»c: d\n", "a byte order mark stands inside the text"),
            ("a: «\u{a0}»b\n", "the blank U+00A0 (no-break space)"),
            ("a: b«\u{3000}» # c\n", "the blank U+3000 as"),
            ("{\"a\": 1}\n«x»\n", "the text after the first JSON value"),
        ],
    );
}

/// A key that stands twice names both places, in YAML and in JSON.
#[test]
fn problem_of_two_places_names_both() {
    for (text, part, first) in [
        ("ä: 1\nb: 2\n«ä»: 3\n", "the key \"ä\" stands here a second time", 0..2),
        ("a: {b: c, d: {e: f, «e»: g}}\n", "the key \"e\"", 14..15),
        ("{\"a\": 1, «\"a\"»: 2}\n", "the key \"a\"", 1..4),
        ("{<<: {c: d}, «<<»: {c: e}}\n", "the second merge key", 1..3),
        ("{c: d, «<<»: {c: e}}\n", "win over \"c\"", 1..2),
    ] {
        let plain = text.replace(['«', '»'], "");
        let found = problem(&plain).unwrap();
        assert_eq!((marked(&plain, &found).as_str(), found.other), (text, Some(first)), "{}", found.message);
        assert!(found.message.contains(part), "{text}: {}", found.message);
    }
}

/// Values that are too deep, and aliases that make too much, are named in the same way.
#[test]
fn limits_of_a_document_are_those_of_the_messages() {
    let deep = |depth: usize| format!("a: {}1{}\n", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(
        problem(&deep(98)).map(|it| it.message),
        Some("apiVersion is missing; it is required in each object".to_owned())
    );
    let too_deep = problem(&deep(99)).unwrap();
    assert_eq!((too_deep.message.as_str(), too_deep.span), ("values lie more than 100 deep in each other", 102..103));
    let json = |depth: usize| format!("{{\"a\": {}1{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(yaml::read(&json(98)).1.is_empty());
    assert_eq!(yaml::read(&json(99)).1.len(), 1);

    // A key of 1,024 characters is one; a longer key is not. In quotes, these count too.
    let key = |length: usize| yaml::read(&format!("{}: a\n", "ä".repeat(length))).1.len();
    assert_eq!((key(1024), key(1025)), (0, 1));

    let texts = |copies: usize| {
        let text = "x".repeat(1 << 16);
        yaml::read(&format!("a: &a {text}\nb: [{}]\n", vec!["*a"; copies].join(", "))).1
    };
    assert_eq!((texts(64).len(), texts(65).len()), (0, 1));
    assert!(texts(65)[0].message.starts_with("aliases make more than 4194304 bytes of text"));
    // A list of 99 values makes 100 values at each alias.
    let values = |lists: usize, width: usize, own: usize| {
        let list = |item: &str, count: usize| vec![item; count].join(", ");
        let text = format!("own: [{}]\na: &a [{}]\nb: [{}]\n", list("0", own), list("0", width), list("*a", lists));
        yaml::read(&text).1.into_iter().next()
    };
    assert_eq!(values(1000, 99, 3000), None);
    let many = values(1001, 99, 3000).unwrap();
    assert!(many.message.starts_with("aliases make more than 100000 values"), "{}", many.message);
}
