//! Unusual pieces of manifests that people and tools write.

#[rustfmt::skip]
pub const LINES: &[&str] = &[
    "...\n", "... # end\n", "---\n", "--- \n", "---# guests\n", "--- # guests\n", "--- text\n", "---text\n", "----\n",
    "--- |\n  a\n", " ---\n", "%YAML 1.1\n", "%YAML 1.2\n---\n", "%TAG ! tag:x,2027:\n", "# c\n", "#c\n", "  # c\n",
    "\t\n", "  \n", "\n", "\t# c\n", "null\n", "~\n", "x\n", "- x\n", "'x'\n", "[]\n", "{}\n", "a: b\n", "  a: b\n",
    "    a: b\n", "  - a\n", "? a\n", ": b\n", "? a\n: b\n", "? [a]\n: b\n", "? {a: b}\n: c\n", "<<: {a: b}\n",
    "  <<: {role: GuestAdmin}\n", "  \"<<\": {a: b}\n", "  '<<': {a: b}\n", "  ! \"<<\": {a: b}\n",
    "  !!merge <<: {a: b}\n", "  <<: [{a: b}, {a: c}]\n", "  <<: ~\n", "  <<:\n", "  <<: x\n", "  <<: [x]\n",
    "  <<: {<<: {a: b}, a: c}\n", "  12: x\n", "  1.5: x\n", "  yes: x\n", "  ~: x\n", "  0x10: x\n", "  true: x\n",
    "  : x\n", "  \"\": x\n", "  2027-01-01: x\n", "  suspended : false\n", "  \"suspended\": false\n", "  *a : b\n",
    "  &a b: c\n", "  a: b: c\n", "  a: 'b': c\n", "  a: \"b\" c\n", "  a: 'b\n", "  a: \"b\n", "  a: [b\n",
    "  a: {b: c\n", "  a: b]\n", "  a: |\n", "  a: >\n   b\n", "items: []\n", "items:\n- a\n", "kind: List\n",
    "kind: ''\n", "apiVersion: 1\n", "metadata:\n", "status: {}\n", "spec: {}\n", "\u{feff}\n", "\u{feff}---\n",
    "<<<<<<< HEAD\n", "=======\n", ">>>>>>> main\n", "{{- if .Values.x }}\n", "{{- end }}\n",
    "{{ toYaml .Values.spec | indent 2 }}\n", "  {{ .Values.key }}: x\n", "$patch: delete\n", "\u{c}\n", "\u{a0}\n",
    "\u{a0}a: b\n",
];

#[rustfmt::skip]
pub const MERGED: &[&str] = &[
    "{role: GuestAdmin, suspended: false}", "{email: x@acme.example}", "{a: b}", "{a: c, role: GuestUser}", "[a]",
    "text", "{<<: {role: GuestAdmin}}",
];

#[rustfmt::skip]
pub const MERGES: &[&str] = &[
    "  <<: *first\n", "  <<: *first\n  <<: *second\n", "  <<: [*first, *second]\n", "  \"<<\": *first\n",
    "  << : *second\n", "  <<: *third\n", "  ? <<\n  : *first\n", "  <<: &third {a: b}\n",
    "  role: GuestUser\n  <<: *first\n", "  <<: *first\n  role: GuestUser\n", "  <<: [*first, {role: x}]\n",
    "  <<: [[*first]]\n", "  first: *first\n", "  *first : x\n", "  <<: {<<: *first}\n", "  <<: !!map {a: b}\n",
    "  <<: *first # c\n",
];

#[rustfmt::skip]
pub const SEPARATORS: &[&str] = &[
    "...\n", "...\n---\n", "---\n...\n", "--- \n", "---\t\n", "---#c\n", "--- #c\n", "---\r\n", "\u{feff}---\n",
    "---\n\u{feff}", "\n---\n\n", "", "--- !!map\n", "--- {}\n", "---\n---\n", "... \n", "...x\n", "....\n",
    "---\n%YAML 1.1\n---\n", "\r---\r", "---\u{a0}\n", "---\u{2028}\n",
];

#[rustfmt::skip]
pub const JSON: &[&str] = &[
    "{}", "[]", "1", "null", "\"a\"", "{\"a\": 1,}", "{'a': 1}", "{\"a\": 0x10}", "{\"a\": 1e999}",
    "{\"a\": \"\\ud800\"}", "{\"a\": \"\t\"}", "{a: 1}", "{\"a\": 1} x",
    "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": []}", "{\"a\": 1, \"a\": 2}", "{\"a\":1}", "// c",
    "{\"apiVersion\": \"v1\", \"kind\": \"X\", \"a\": 1e400}",
    "{\"apiVersion\": \"v1\", \"kind\": \"X\", \"a\": 1e400, }",
    "{\"apiVersion\": \"v1\", \"kind\": \"X\", \"a\": 18446744073709551616}",
    "{\"apiVersion\": \"v1\", \"kind\": \"X\", \"a\": \"\\u0000\"}",
];

#[rustfmt::skip]
pub const DOCUMENTS: &[&str] = &[
    "x", "12", "- a\n- b", "'a'", "|\n a", "~", "# c", "", "[a]", "{}", "a: b", "{a: b}\nc: d", "'a'\nb: c",
    "  a: 1\nb: 2", "--- a", "*a", "&a b", "kind: X", "apiVersion: v1", "apiVersion: v1\nkind: X",
    "apiVersion: v1\nkind: List", "apiVersion: v1\nkind: List\nitems:", "apiVersion: v1\nkind: List\nitems: {}",
    "apiVersion: v1\nkind: XList\nitems:\n- {a: b}", "apiVersion: v1\nkind: X\nitems: [{apiVersion: v1, kind: Y}]",
    "apiVersion: v1\nkind: List\nitems: [~]",
    "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: List, items: []}]",
    "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: X}]}]",
    "apiVersion: v1\nkind: XList\nitems: [{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: X}]}]",
    "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: XList, items: [{apiVersion: v1, kind: X}]}]",
    "apiVersion: v1\nkind: List\nmetadata: {remainingItemCount: x}\nitems: [{apiVersion: v1, kind: X}]",
];

#[rustfmt::skip]
pub const CHARACTERS: &[&str] = &[
    " ", "\t", "\n", ":", ": ", "-", "- ", "#", " #", "\"", "'", "[", "]", "{", "}", ",", "|", ">", "&", "*", "!",
    "%", "@", "`", "?", "\\", "\r", "\u{0}", "\u{7}", "\u{85}", "\u{2028}", "\u{2029}", "\u{feff}", "\u{a0}",
    "\u{1f600}", "~", "=", "<<", "0", "_", ".",
];

/// Scalars that readers of YAML read differently, or that surprise people.
#[rustfmt::skip]
pub const SCALARS: &[&str] = &[
    "yes", "No", "on", "OFF", "y", "N", "true", "False", "TRUE", "tRue", "~", "null", "Null", "nULL", "", "\"\"",
    "''", "12", "-7", "+5", "010", "08", "0o17", "0O17", "0x1F", "0X1f", "-0x10", "0b101", "0b12", "-0b11", "1_000",
    "1__0", "_1", "0_7", "1.5", "1.", ".5", "-.5", ".1_0", ".5_0", "-.5_0", "+.5_0", "._5",
    ".5__0", ".5_", ".1_e2", ".1e1_0", "0._5", "1_.5", "+.5e3", "1e3", "1E+3", "1e-400", "7e12345", "5e93842", "1e", "e5",
    "1.2.3", "12:30", "1:30:15", "190:20:30", ".inf", "-.INF", ".NaN", "+.inf", "inf", "nan", "0", "-0", "00",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551615",
    "18446744073709551616", "1e21", "123456789012345678901234567890", "0.1", "2027-01-01", "2027-1-1",
    "2027-01-01T00:00:00Z", "2027-01-01 00:00:00", "2027-01-01t00:00:00Z", "72h", "25%", "a b", "a: b", "a:b", ":a",
    "a:", "-a", "- a", "-", "?a", "? a", "a#b", "a #b", "#a", "\"a\"#b", "'a' # b", "a, b", "[a", "{a", "a]", "a}",
    "@a", "`a`", "%a", "!a b", "! a", "!!str 12", "!!int \"7\"", "!!int 1.5", "!!float 1", "!!bool yes",
    "!!bool \"true\"", "!!null ''", "!!null x", "!!binary aGk=", "!!binary x", "!!timestamp 2027-01-01",
    "!!set {a, b}", "!!map {a: b}", "!!seq [a]", "!!str", "!!str ~", "!<tag:yaml.org,2002:str> 1", "!e!x y",
    "!!merge <<", "&a b", "&a", "*a", "&a *a", "&a [*a]", "&a &b c", "!!str &a b", "&a !!str b", "\"\\/\"",
    "\"\\u00e4\"", "\"\\ud83d\\ude00\"", "\"\\x41\"", "\"\\0\"", "\"\\e[31m\"", "\"\\'\"", "\"\\z\"",
    "\"a\\\n    b\"", "\"a\n    b\"", "'a\n    b'", "'it''s'", "'a\\nb'", "\"\\N\\_\\L\\P\"", "\"\\U0001F600\"",
    "\"\\uD800\"", "\"a\tb\"", "'\t'", "a\tb", "\ta", "a\t", "a\n    b", "a\n      b\n    c", "a\n\n    b",
    "a\n    # c\n    b", "a\n    b: c", "|\n    a\n    b", "|-\n    a", "|+\n    a\n\n", ">\n    a\n    b\n\n    c",
    ">-\n    a\n      b\n    c", "|2\n    a", "|1\n   a", "|9\n    a", "|0\n    a", "|-2\n    a", "|2-\n    a",
    "|+-\n    a", "|\n    a\n   b", "|\n\n      a\n    b", "|\n    a\n    ---\n    b", "| # c\n    a", "|#c\n    a",
    "| a", ">+\n    a\n\n    b\n\n", "|\n     \n    a", "|\n\ta", "|", ">", "|\n\n", "[a, b]", "[a,b]", "[a, b,]",
    "[, a]", "[a,, b]", "[]", "[a\n    , b]", "[a: b]", "[a: ]", "[? a]", "[? a : b, c]", "[: a]", "[a, {b: c}]",
    "[a b, c]", "[\"a\":b]", "[-1, - 1]", "[#c\n    a]", "[a]#b", "[a] b", "{a: b}", "{a: b,}", "{,}", "{a}",
    "{a, b: c}", "{a:b}", "{a:}", "{\"a\":b}", "{\"a\": b}", "{a: b, a: c}", "{? a : b}", "{: a}", "{a: [b, {c: d}]}",
    "{a: b\n    , c: d}", "{a: b} c", "{<<: {a: b}}", "{{ .Values.role }}", "{{ include \"a\" . | nindent 4 }}",
    "${ROLE}", "$(ROLE)", "<no value>", "<<", "=", "http://x.example", "[http://x.example, b]",
    "{u: http://x.example}", "a?b", "[a?b]", "a@b.example", "*@host.example", "\"*@host.example\"", "\u{e4}\u{f6}",
    "\u{1f600}", "a\u{a0}b", "a\u{2028}b", "a\u{2029}b", "a\u{85}b", "\u{feff}a", "a\u{feff}", "\u{200b}a", "a\u{7f}",
    "a\u{b}b", "\u{202e}a", "\u{fffd}", "\u{ffff}",
];

/// Fields of `ObjectMeta` that kubectl decodes by their types.
#[rustfmt::skip]
pub const METADATA: &[&str] = &[
    "name", "namespace", "generateName", "uid", "resourceVersion", "selfLink", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "finalizers", "ownerReferences",
    "managedFields", "clusterName",
];

/// Fields of an owner reference and of a managed field.
#[rustfmt::skip]
pub const PARTS_OF_METADATA: &[&str] = &[
    "apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion", "manager", "operation", "time",
    "fieldsType", "fieldsV1", "subresource",
];

/// Values of every type.
#[rustfmt::skip]
pub const TYPES: &[&str] = &[
    "1", "-1", "1.5", "1.0", "true", "~", "x", "''", "[]", "[1]", "[a]", "[~]", "[{}]", "[[]]", "{}", "{a: 1}", "{a: ~}",
    "{a: b}", "'2027-06-30T00:00:00Z'", "2027-06-30T00:00:00+02:00", "2027-06-30 00:00:00Z", "'2027-06-30'",
    "'2027-06-30T23:59:60Z'", "'2027-06-30T24:00:00Z'", "'2027-06-30T00:00:00.5Z'", "'2027-02-30T00:00:00Z'",
    "'2027-06-30t00:00:00z'", "'2027-06-30T00:00:00+25:00'", "99999999999999999999",
];
