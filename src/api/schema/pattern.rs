//! The formats of field values as regular expressions, for CEL.
//!
//! They use the subset that RE2 (the API server) and every other engine interpret alike. They are anchored, and free of
//! double quotes, so that a raw CEL string can contain them. Some are copies of patterns in [`crate::validation`], because
//! this module depends on no other; a test keeps the copies equal.

/// One mailbox in ASCII: a dot-atom, `@`, and a domain of at least two labels.
pub const ADDRESS: &str = concat!(
    r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+([.][A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*",
    r"@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$"
);

/// A plain lower-case domain of at least two labels.
pub const DOMAIN: &str = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?([.][a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$";

/// A duration of hours, minutes and seconds, as `72h` or `1h30m`. Each part has at most six digits, so no engine
/// overflows.
pub const DURATION: &str = r"^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$";

/// The shape of an RFC 3339 instant, with `Z` or an offset of hours and minutes.
pub const INSTANT: &str = concat!(
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
);

/// A day that exists in the calendar, at the start of an instant: no 31st of June, and a 29th of February only in leap
/// years. Excludes the year 9999, whose end exceeds the range of the clock.
pub const DAY: &str = concat!(
    r"^([0-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])-",
    r"((01|03|05|07|08|10|12)-(0[1-9]|[12][0-9]|3[01])|(04|06|09|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))T",
    r"|^([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29T"
);

/// A character that no name may have: it controls a terminal, moves the text around it or has no shape.
pub const HIDDEN: &str = concat!(
    r"[\x{0}-\x{1F}\x{7F}-\x{9F}\x{AD}\x{34F}\x{600}-\x{605}\x{61C}\x{6DD}\x{70F}\x{890}-\x{891}\x{8E2}",
    r"\x{115F}-\x{1160}\x{17B4}-\x{17B5}\x{180B}-\x{180F}\x{200B}-\x{200F}\x{2028}-\x{202E}",
    r"\x{2060}-\x{206F}\x{3164}\x{E000}-\x{F8FF}\x{FDD0}-\x{FDEF}\x{FE00}-\x{FE0D}\x{FEFF}\x{FFA0}",
    r"\x{FFF0}-\x{FFFC}\x{FFFE}-\x{FFFF}\x{110BD}\x{110CD}\x{13430}-\x{1343F}\x{1BCA0}-\x{1BCA3}",
    r"\x{1D173}-\x{1D17A}\x{1FFFE}-\x{1FFFF}\x{2FFFE}-\x{2FFFF}\x{3FFFE}-\x{3FFFF}\x{4FFFE}-\x{4FFFF}",
    r"\x{5FFFE}-\x{5FFFF}\x{6FFFE}-\x{6FFFF}\x{7FFFE}-\x{7FFFF}\x{8FFFE}-\x{8FFFF}\x{9FFFE}-\x{9FFFF}",
    r"\x{AFFFE}-\x{AFFFF}\x{BFFFE}-\x{BFFFF}\x{CFFFE}-\x{CFFFF}\x{DFFFE}-\x{DFFFF}\x{E0000}-\x{10FFFF}]",
);

/// A visible character: a name needs at least one.
pub const VISIBLE: &str = r"[^\x{20}\x{A0}\x{1680}\x{2000}-\x{200A}\x{202F}\x{205F}\x{2800}\x{3000}\x{FE0E}-\x{FE0F}]";
