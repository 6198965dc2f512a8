//! Decodes the bytes of a file in the way of kubectl: by the byte order mark, and as UTF-8 without one.

/// The text of a file. The error names the encoding to use.
///
/// # Errors
///
/// The bytes are no text in UTF-8 or UTF-16.
pub fn decode(bytes: Vec<u8>) -> Result<String, String> {
    match bytes.as_slice() {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Err("it is UTF-32 text; save it as UTF-8".to_owned()),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest.to_vec()),
        _ => utf8(bytes),
    }
    .and_then(|text| if text.contains('\0') { Err(nul(&text)) } else { Ok(text) })
}

fn utf8(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("it is not UTF-8 text (byte {at}); save it as UTF-8")
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect::<Result<String, _>>();
    text.ok().filter(|_| rest.is_empty()).ok_or_else(|| "it is damaged UTF-16 text; save it as UTF-8".to_owned())
}

fn nul(text: &str) -> String {
    let at = text.find('\0').unwrap_or_default();
    let line = text.get(..at).map_or(0, |before| before.matches('\n').count()) + 1;
    let nuls = text.matches('\0').count();
    if nuls * 3 > text.chars().count() {
        return "it looks like UTF-16 text without a byte order mark, which kubectl does not read; save it as UTF-8 (in PowerShell: Out-File -Encoding utf8)".to_owned();
    }
    format!("line {line} holds a NUL character, which kubectl does not read; remove it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, mark: &[u8], bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        mark.iter().copied().chain(text.encode_utf16().flat_map(bytes)).collect()
    }

    #[test]
    fn text_is_read_by_its_byte_order_mark() {
        let text = "displayName: Äcme 😀\r\n";
        assert_eq!(decode(text.as_bytes().to_vec()).as_deref(), Ok(text));
        assert_eq!(decode(utf16(text, &[0xff, 0xfe], u16::to_le_bytes)).as_deref(), Ok(text));
        assert_eq!(decode(utf16(text, &[0xfe, 0xff], u16::to_be_bytes)).as_deref(), Ok(text));
    }

    #[test]
    fn text_of_another_encoding_is_refused_with_the_way_on() {
        for bytes in [
            utf16("name: a\n", &[], u16::to_le_bytes),
            utf16("name: a\n", &[], u16::to_be_bytes),
            vec![0xff, 0xfe, 0, 0, b'a', 0, 0, 0],
            vec![0, 0, 0xfe, 0xff, 0, 0, 0, b'a'],
            vec![0xff, 0xfe, b'a'],
            vec![0xff, 0xfe, 0x00, 0xd8],
            b"name: M\xfcller\n".to_vec(),
        ] {
            let error = decode(bytes.clone()).unwrap_err();
            assert!(error.contains("save it as UTF-8"), "{bytes:?}: {error}");
        }
        assert!(decode(b"a: 1\nb: x\0\n".to_vec()).unwrap_err().starts_with("line 2 "));
    }
}
