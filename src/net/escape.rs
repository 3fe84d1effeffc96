//! Percent-encoding, for a form's values and a path's segments.

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `text` with everything encoded but RFC 3986's unreserved characters.
pub fn percent(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_the_unreserved_stay_as_they_are() {
        let mut out = String::new();
        super::percent(&mut out, "a-._~Z9 &=+%ä\n/?#");
        assert_eq!(out, "a-._~Z9%20%26%3D%2B%25%C3%A4%0A%2F%3F%23");
    }
}
