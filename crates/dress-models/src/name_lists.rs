//! Names within messages.

/// What names are, and at most ten of them; nothing where there are none.
pub(crate) fn listing(what: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" {what}: {};", ten(names)) }
}

/// Who wrote such names, where that is known.
pub(crate) fn written_by(writer: &Option<&'static str>) -> String {
    writer.map(|writer| format!(", as {writer} leaves them")).unwrap_or_default()
}

/// At most ten names, and how many there are beside them.
pub(crate) fn ten<T: AsRef<str>>(names: &[T]) -> String {
    let first: Vec<&str> = names.iter().take(10).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_name_is_counted() {
        let names: Vec<String> = (0..12).map(|number| number.to_string()).collect();
        assert_eq!(ten(&names), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
        assert_eq!(ten(&names[..10]), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9");
        assert_eq!(listing("missing", &[]), "");
    }
}
