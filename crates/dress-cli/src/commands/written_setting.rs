//! Settings as they are written behind --vary and --also.

use crate::Error;
use dress_study::ablation::Vary;
use std::fmt;
use std::str::FromStr;

/// One option of `dress prune` with one value: `gate=cosine:0.2`, `kept-only=on`, `gate=none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrittenSetting {
    /// The option's name, without the dashes before it.
    pub option: String,
    /// Its value: `on` or `off` for an option without one, `none` to leave the option out, `+` between the
    /// parts of a list.
    pub value: String,
}

/// One option of `dress prune` with the values that it takes one after the other: `lambda=1,5,20`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrittenVary(pub Vary<WrittenSetting>);

/// Several settings of one row: `gate=cosine:0.2,learning-rate=1e-4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Together(
    /// The settings.
    pub Vec<WrittenSetting>,
);

/// The two sides of the first `=`, where both say something.
fn sides(text: &str) -> Option<(&str, &str)> {
    let (option, value) = text.split_once('=')?;
    let option = option.trim().trim_start_matches('-');
    (!option.is_empty() && !value.trim().is_empty()).then(|| (option, value.trim()))
}

impl WrittenSetting {
    /// An option without a value, given.
    pub fn on(option: &str) -> Self {
        Self::of(option, "on")
    }

    /// An option with a value.
    pub fn of(option: &str, value: impl fmt::Display) -> Self {
        Self { option: option.into(), value: value.to_string() }
    }
}

impl FromStr for WrittenSetting {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (option, value) = sides(text).ok_or_else(|| Error::NoSetting { text: text.into() })?;
        Ok(Self { option: option.into(), value: value.into() })
    }
}

impl FromStr for WrittenVary {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unreadable = || Error::NoSetting { text: text.into() };
        let (option, values) = sides(text).ok_or_else(unreadable)?;
        let setting = |value: &str| match value.trim() {
            "" => Err(unreadable()),
            value => Ok(WrittenSetting { option: option.into(), value: value.into() }),
        };
        let settings = values.split(',').map(setting).collect::<Result<_, _>>()?;
        Ok(Self(Vary { name: option.into(), settings }))
    }
}

impl FromStr for Together {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(Self(text.split(',').map(str::parse).collect::<Result<_, _>>()?))
    }
}

impl fmt::Display for WrittenSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.option, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(settings: &[WrittenSetting]) -> Vec<String> {
        settings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_option_and_its_values_are_read() {
        let WrittenVary(vary) = "gate=none,cosine:0.2".parse().unwrap();
        assert_eq!(
            (vary.name.as_str(), texts(&vary.settings)),
            ("gate", vec!["gate=none".into(), "gate=cosine:0.2".into()])
        );
        let Together(settings) = "--gate=linear:0.1, axis=residual+ffn".parse().unwrap();
        assert_eq!(texts(&settings), ["gate=linear:0.1", "axis=residual+ffn"]);
    }

    #[test]
    fn what_names_no_option_or_no_value_is_refused() {
        for bad in ["lambda", "lambda=", "=5", "lambda=1,,5", ""] {
            let said = bad.parse::<WrittenVary>().unwrap_err().to_string();
            assert!(said.contains("lambda=1,5,20"), "{said}");
        }
        assert!("gate=none,lambda".parse::<Together>().is_err());
    }
}
