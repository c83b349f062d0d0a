//! Numbers as people read them.

/// Digits in threes: `134,515,008`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `134.5 M`.
pub(super) fn short(number: f64) -> String {
    let units = [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")];
    match units.iter().find(|(size, _)| number.abs() >= *size) {
        Some((size, unit)) => format!("{}{unit}", significant(number / size)),
        None => significant(number),
    }
}

/// `513.1 MiB`.
pub(super) fn bytes(number: u64) -> String {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(size, _)| number >= *size) {
        Some((size, unit)) => format!("{:.1} {unit}", number as f64 / *size as f64),
        None => format!("{number} B"),
    }
}

/// Four digits that matter, without trailing zeros.
pub(super) fn significant(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    let digits = 3 - number.abs().log10().floor() as i32;
    if !(-3..=7).contains(&digits) {
        return format!("{number:.3e}");
    }
    let text = format!("{number:.*}", digits.max(0) as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').into(),
        false => text,
    }
}

/// `0.5312 ± 0.0131`.
pub(super) fn with_error(value: f64, error: Option<f64>) -> String {
    match error {
        Some(error) => format!("{value:.4} ± {error:.4}"),
        None => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_keep_what_matters() {
        assert_eq!([0, 999, 1000, 134_515_008].map(grouped), ["0", "999", "1,000", "134,515,008"]);
        assert_eq!(short(134_515_008.0), "134.5 M");
        assert_eq!(bytes(538_060_032), "513.1 MiB");
        assert_eq!(significant(19.887_4), "19.89");
        assert_eq!(significant(0.000_012_346), "1.235e-5");
        assert_eq!(significant(0.5), "0.5");
        assert_eq!(significant(123_456.0), "123456");
        assert_eq!(significant(1.234_56e9), "1.235e9");
    }
}
