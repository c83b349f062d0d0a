//! Regular expressions in task files.

use crate::Error;
use regex::Regex;
use serde::{Deserialize, Serialize};

/// A regular expression, as a task file has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Regex);

impl Pattern {
    /// The text without what matches.
    pub fn removed_from(&self, text: &str) -> String {
        self.0.replace_all(text, "").into_owned()
    }
}

impl TryFrom<String> for Pattern {
    type Error = Error;

    fn try_from(pattern: String) -> Result<Self, Error> {
        // The lines before the last show the place.
        let reason = |error: regex::Error| error.to_string().lines().last().unwrap_or_default().to_string();
        match Regex::new(&pattern) {
            Ok(regex) => Ok(Self(regex)),
            Err(error) => Err(Error::Pattern { pattern, reason: reason(error) }),
        }
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.as_str().into()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_that_is_none_is_an_error_of_one_line() {
        let says = Pattern::try_from("(the".to_string()).unwrap_err().to_string();
        assert!(says.contains("`(the`") && says.contains("unclosed group"), "{says}");
        assert_eq!(says.lines().count(), 1, "{says}");
    }
}
