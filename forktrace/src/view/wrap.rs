//! Text in lines of a width.

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// Breaks text at spaces into lines of at most `room` columns; a longer word
/// stays whole, and no word is cut at a hyphen: paths, options and unit names
/// are there to be copied.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let options = Options::new(room)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options)
        .into_iter()
        .map(std::borrow::Cow::into_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_at_spaces_and_keeps_long_words() {
        assert_eq!(wrap("a b c", 3), ["a b", "c"]);
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abcdefgh", "ij"]);
        assert_eq!(wrap("--pids-limit x", 8), ["--pids-limit", "x"]);
    }

    #[test]
    fn counts_columns_not_characters() {
        assert_eq!(wrap("\u{65e5}\u{672c} a", 5), ["\u{65e5}\u{672c}", "a"]);
    }
}
