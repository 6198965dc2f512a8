//! Classes of characters.

pub(super) fn signed(column: usize) -> isize {
    isize::try_from(column).unwrap_or(isize::MAX)
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

pub(super) fn is_break(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

pub(super) fn is_break_or_end(byte: u8) -> bool {
    is_break(byte) || byte == 0
}

pub(super) fn is_blank_or_end(byte: u8) -> bool {
    is_blank(byte) || is_break_or_end(byte)
}
