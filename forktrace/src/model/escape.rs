//! Text from other processes, made harmless.

use std::borrow::Cow;

/// Makes text safe to print on a terminal, on one line: control characters
/// (escape sequences, newlines), and the marks that reorder or hide text,
/// become `\u{…}` escapes.
///
/// The reordering marks are those of Unicode's bidirectional algorithm
/// ("Trojan Source"); zero-width characters make two names look alike.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmful(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Text as one word for a POSIX shell: as it is, or between quotes.
pub fn quoted(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@+,=%".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("'{}'", text.replace('\'', r"'\''"))),
    }
}

/// Whether a character must not reach a terminal as it is, see [`clean`].
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}'
            | '\u{061C}' | '\u{FEFF}' | '\u{00AD}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reorders_or_hides_text_is_named() {
        // Unicode's Bidi_Control, whole; zero-width characters; line and paragraph separators;
        // characters that are there and not seen; annotations; tags.
        for range in [
            '\u{61c}'..='\u{61c}',
            '\u{200b}'..='\u{200f}',
            '\u{2028}'..='\u{202e}',
            '\u{2060}'..='\u{2064}',
            '\u{2066}'..='\u{2069}',
            '\u{feff}'..='\u{feff}',
            '\u{ad}'..='\u{ad}',
            '\u{fff9}'..='\u{fffb}',
            '\u{e0001}'..='\u{e0001}',
            '\u{e0020}'..='\u{e007f}',
        ] {
            for c in range {
                let text = format!("a{c}b");
                assert_eq!(clean(&text), format!("a{}b", c.escape_unicode()));
            }
        }
        for c in [
            '\u{200a}', '\u{2010}', '\u{2027}', '\u{202f}', '\u{205f}', '\u{61b}', '\u{ae}',
        ] {
            assert!(!is_harmful(c), "{c:?}");
        }
    }

    #[test]
    fn what_a_shell_would_break_is_between_quotes() {
        for (word, wanted) in [
            ("/bin/true", "/bin/true"),
            ("", "''"),
            ("exit 3", "'exit 3'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
            ("a\nb", "'a\nb'"),
        ] {
            assert_eq!(quoted(word), wanted);
        }
    }

    #[test]
    fn hostile_text_is_harmless_and_plain_text_stays() {
        assert_eq!(clean("postgres: idle"), "postgres: idle");
        assert!(matches!(clean("größe"), Cow::Borrowed(_)));
        assert_eq!(clean("\x1b[31mred"), "\\u{1b}[31mred");
        assert_eq!(clean("a\nb\r\t"), "a\\u{a}b\\u{d}\\u{9}");
        assert_eq!(clean("\u{9b}1m"), "\\u{9b}1m");
        assert_eq!(clean("x\u{202e}y"), "x\\u{202e}y");
        for c in ('\0'..=char::MAX).filter(|c| c.is_control()) {
            assert!(!clean(&c.to_string()).chars().any(char::is_control));
        }
    }
}
