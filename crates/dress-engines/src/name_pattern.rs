//! Parameters by patterns of their names.

use serde::{Deserialize, Serialize};

/// A parameter's name in which each `*` stands for any text.
///
/// # Examples
/// ```
/// use dress_engines::NamePattern;
///
/// let pattern = NamePattern::from("*.v_proj.weight");
/// assert!(pattern.matches("model.layers.3.self_attn.v_proj.weight"));
/// assert!(!pattern.matches("model.layers.3.self_attn.v_proj.bias"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NamePattern(String);

impl From<&str> for NamePattern {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl NamePattern {
    /// Whether a parameter's name is one of these.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts: Vec<&str> = self.0.split('*').collect();
        let first = parts.remove(0);
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            let Some((_, behind)) = rest.split_once(part) else { return false };
            rest = behind;
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        for (pattern, name, expected) in [
            ("lm_head.weight", "lm_head.weight", true),
            ("lm_head.weight", "model.lm_head.weight", false),
            ("*embed_tokens.weight", "model.embed_tokens.weight", true),
            ("model.layers.*.bias", "model.layers.0.mlp.up_proj.bias", true),
            ("model.layers.*.bias", "model.layers.0.mlp.up_proj.weight", false),
            ("*.mlp.*.weight", "model.layers.0.mlp.up_proj.weight", true),
            ("*.mlp.*.weight", "model.layers.0.self_attn.q_proj.weight", false),
            ("*", "anything", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(NamePattern::from(pattern).matches(name), expected, "{pattern} {name}");
        }
    }
}
