//! What users typed, as it stands in Markdown, HTML and SVG: names, paths and labels are text there and
//! nothing else.

/// Text as it stands in a line or a cell of Markdown.
pub fn markdown_text(text: &str) -> String {
    let text = one_line(text);
    let mut escaped = String::with_capacity(text.len());
    let mut before = ' ';
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let after = letters.peek().copied().unwrap_or(' ');
        let alone = before.is_whitespace() && after.is_whitespace();
        let marks = match letter {
            '\\' | '`' | '[' | ']' | '<' | '>' | '|' | '&' | '~' | '$' => true,
            // A star between blanks, and a line within a word as in `arc_easy`, mean nothing.
            '*' => !alone,
            '_' => !(alone || before.is_alphanumeric() && after.is_alphanumeric()),
            _ => false,
        };
        escaped.extend(marks.then_some('\\'));
        escaped.push(letter);
        before = letter;
    }
    escaped
}

/// Text as code in a line of Markdown, between as many backticks as it takes.
pub fn markdown_code(text: &str) -> String {
    let text = one_line(text);
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let mark = "`".repeat(longest + 1);
    // Next to the marks a backtick would be one of them.
    match text.starts_with('`') || text.ends_with('`') || text.trim().is_empty() {
        true => format!("{mark} {text} {mark}"),
        false => format!("{mark}{text}{mark}"),
    }
}

/// Text as it stands in HTML and in SVG.
pub(crate) fn html_text(text: &str) -> String {
    let text = one_line(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

/// Text without line ends and other control characters, which XML does not take.
pub(crate) fn one_line(text: &str) -> String {
    let plain = |letter: char| match letter {
        '\u{2028}' | '\u{2029}' => ' ',
        letter if letter.is_whitespace() && letter.is_control() => ' ',
        letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => '\u{fffd}',
        letter => letter,
    };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_markdown_are_text_and_names_stay_readable() {
        assert_eq!(markdown_text("a|b`c<d>\ne\r*f* [g](h)"), "a\\|b\\`c\\<d\\> e \\*f\\* \\[g\\](h)");
        assert_eq!(markdown_text("acc_norm * _x_ C:\\y &lt;"), "acc_norm * \\_x\\_ C:\\\\y \\&lt;");
        assert_eq!(markdown_text("llama-3.2 (0.5 ± 0.1, 2,048 × 8)"), "llama-3.2 (0.5 ± 0.1, 2,048 × 8)");
        assert_eq!(markdown_code("plain"), "`plain`");
        assert_eq!(markdown_code("a`b``c"), "```a`b``c```");
        assert_eq!(markdown_code("`a\nb"), "`` `a b ``");
    }

    #[test]
    fn marks_of_html_are_text_and_control_characters_are_none() {
        assert_eq!(html_text("<a b='c' d=\"e\">&"), "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;");
        assert_eq!(html_text("a\0b\u{1b}c\nd\u{2028}e"), "a\u{fffd}b\u{fffd}c d e");
    }
}
