//! Lines that fit where they are read.

use terminal_size::{Width, terminal_size_of};

/// Columns where there is no terminal, as in a file: nothing is cut, and a line is read at a glance.
const WITHOUT_A_TERMINAL: usize = 100;

/// How many columns a line of standard output has.
pub(crate) fn line_width() -> usize {
    terminal_size_of(std::io::stdout()).map_or(WITHOUT_A_TERMINAL, |(Width(columns), _)| columns.into())
}

/// `text` in lines of at most `width` characters, broken between words. A longer word has a line to itself
/// and stays whole.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_none_is_lost() {
        assert_eq!(wrapped("a width of 144 is refused", 10), ["a width of", "144 is", "refused"]);
        assert_eq!(wrapped("an unbreakable name", 6), ["an", "unbreakable", "name"]);
        assert_eq!(wrapped("", 10), [""; 0]);
    }
}
