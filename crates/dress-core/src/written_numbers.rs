//! Numbers as people write them.

/// Ascending numbers as ranges, with `between` between two of them.
///
/// # Examples
/// ```
/// assert_eq!(dress_core::as_ranges([0, 1, 2, 3, 28], ", "), "0-3, 28");
/// assert_eq!(dress_core::as_ranges([], ","), "");
/// ```
pub fn as_ranges(numbers: impl IntoIterator<Item = usize>, between: &str) -> String {
    let mut parts: Vec<[usize; 2]> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some([_, last]) if *last + 1 == number => *last = number,
            _ => parts.push([number, number]),
        }
    }
    let text = |[first, last]: &[usize; 2]| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    parts.iter().map(text).collect::<Vec<_>>().join(between)
}

/// The least and the most of some counts as one text, which names a count once that all of them are.
///
/// # Examples
/// ```
/// assert_eq!(dress_core::least_to_most(["4", "6"].map(String::from)), "4 to 6");
/// assert_eq!(dress_core::least_to_most(["4", "4"].map(String::from)), "4");
/// ```
pub fn least_to_most([least, most]: [String; 2]) -> String {
    if least == most { least } else { format!("{least} to {most}") }
}
