//! Errors of the kernel in words.

use std::{fmt::Display, io};

/// What the kernel says of an errno: "Permission denied".
pub fn in_words(errno: i32) -> String {
    without_numbers(&io::Error::from_raw_os_error(errno))
}

/// An error's text without the ` (os error 13)` that Rust puts behind the kernel's words, wherever
/// in it they stand: the number says nothing that the words don't.
pub fn without_numbers(error: &dyn Display) -> String {
    const BEFORE: &str = " (os error ";
    let text = error.to_string();
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(BEFORE) {
        let behind = &rest[at + BEFORE.len()..];
        let digits = behind.bytes().take_while(|b| b.is_ascii_digit()).count();
        let ends = digits > 0 && behind[digits..].starts_with(')');
        let kept = if ends { at } else { at + BEFORE.len() };
        out.push_str(&rest[..kept]);
        rest = if ends { &behind[digits + 1..] } else { behind };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_alone() {
        assert_eq!(in_words(libc::EAGAIN), "Resource temporarily unavailable");
        let error = io::Error::from_raw_os_error(libc::EACCES);
        let nested = format!("opening /x: {error}, then {error}.");
        assert_eq!(
            without_numbers(&nested),
            "opening /x: Permission denied, then Permission denied."
        );
        for plain in ["", "a (os error x)", "a (os error 1", "é (os error )"] {
            assert_eq!(without_numbers(&plain), plain);
        }
    }
}
