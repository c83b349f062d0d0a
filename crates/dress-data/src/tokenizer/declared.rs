//! What the files beside `tokenizer.json` say: added tokens, special tokens and the class.

use super::class::Class;
use super::json_file::read;
use crate::Error;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use tokenizers::AddedToken;

/// The special tokens that have a name of their own, in stock's order.
pub(super) const NAMED: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The content of `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`, merged as
/// `transformers` does.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// Special tokens by their names.
    pub named: Vec<(String, AddedToken)>,
    /// Names that the files say stand for no token, whatever the class has for them.
    pub none: Vec<String>,
    /// Special tokens without a name.
    pub extra: Vec<AddedToken>,
    /// Added tokens by the ids that the files give them.
    pub added: BTreeMap<u64, AddedToken>,
    /// Whether the added tokens of `tokenizer.json` are not to be read, since `added_tokens_decoder` lists
    /// all.
    pub lists_all: bool,
    /// The tokenizer's class.
    pub class: Option<String>,
    /// The model's family.
    pub model_type: Option<String>,
    /// `add_bos_token` and `add_eos_token`, where one of them is given.
    pub ends: Option<(bool, bool)>,
    /// `add_prefix_space`.
    pub prefix_space: Option<bool>,
    /// `legacy`, of LLaMA's class.
    pub legacy: bool,
    /// Whether special tokens in a text are split like any other text.
    pub split_special_tokens: bool,
}

impl Declared {
    /// Reads the files of a directory; each of them may be absent.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::TokenizerFile`].
    pub fn read(directory: &Path) -> Result<Self, Error> {
        let mut config = read(directory, "tokenizer_config.json")?.unwrap_or_default();
        let model = read(directory, "config.json")?.unwrap_or_default();
        let text = |from: &Map<String, Value>, key: &str| from.get(key)?.as_str().map(String::from);
        // The older name counts as the newer one, but only here: not in `special_tokens_map.json`.
        if extra(&config, "extra_special_tokens").is_none()
            && let Some(older) = config.remove("additional_special_tokens")
        {
            config.insert("extra_special_tokens".into(), older);
        }
        let listed = config.remove("added_tokens_decoder").filter(|listed| !listed.is_null());
        if listed.is_none() {
            merge_map(&mut config, read(directory, "special_tokens_map.json")?.unwrap_or_default());
        }
        let mut declared = Self {
            class: text(&config, "tokenizer_class").or_else(|| text(&model, "tokenizer_class")),
            model_type: text(&model, "model_type"),
            ends: ends(&config),
            prefix_space: config.get("add_prefix_space").and_then(Value::as_bool),
            legacy: config.get("legacy").and_then(Value::as_bool).unwrap_or(false),
            split_special_tokens: config.get("split_special_tokens") == Some(&Value::Bool(true)),
            extra: extra(&config, "extra_special_tokens")
                .or_else(|| extra(&config, "additional_special_tokens"))
                .unwrap_or_default(),
            lists_all: listed.is_some(),
            ..Self::default()
        };
        match listed {
            Some(listed) => declared.list(&listed, &directory.join("tokenizer_config.json"))?,
            None => declared.add_legacy(directory, &config)?,
        }
        declared.named = named(&config, &declared.added);
        declared.none =
            config.iter().filter(|(_, value)| value.is_null()).map(|(key, _)| key.clone()).collect();
        Ok(declared)
    }

    /// The tokens of `added_tokens_decoder`.
    fn list(&mut self, listed: &Value, path: &Path) -> Result<(), Error> {
        let malformed = |reason: String| Error::TokenizerFile { path: path.into(), reason };
        let listed =
            listed.as_object().ok_or_else(|| malformed("added_tokens_decoder is no object".into()))?;
        for (id, token) in listed {
            let found = id.parse().ok().zip(token_of(token, false).filter(|_| token.is_object()));
            let (id, token) = found.ok_or_else(|| {
                malformed(format!("added_tokens_decoder: \"{id}\" does not lead from an id to a token"))
            })?;
            self.added.insert(id, token);
        }
        Ok(())
    }

    /// The tokens of `added_tokens.json`, which says of a token only its id.
    fn add_legacy(&mut self, directory: &Path, config: &Map<String, Value>) -> Result<(), Error> {
        let Some(added) = read(directory, "added_tokens.json")? else { return Ok(()) };
        let mut special: Vec<String> =
            NAMED.iter().filter_map(|name| Some(token_of(config.get(*name)?, true)?.content)).collect();
        let extra = extra(config, "extra_special_tokens").unwrap_or_default();
        special.extend(extra.into_iter().map(|token| token.content));
        for (content, id) in added {
            let id = id.as_u64().ok_or_else(|| Error::TokenizerFile {
                path: directory.join("added_tokens.json"),
                reason: format!("{content:?} has no id"),
            })?;
            let is_special = special.contains(&content);
            self.added.insert(id, AddedToken::from(content, is_special));
        }
        Ok(())
    }

    /// A named special token: the files', or else the class's own, unless the files say that there is none.
    pub fn special(&self, name: &str, class: Class) -> Option<AddedToken> {
        if self.none.iter().any(|none| none == name) {
            return None;
        }
        let named = self.named.iter().find(|(known, _)| known == name).map(|(_, token)| token.clone());
        named.or_else(|| Some(AddedToken::from(class.default_token(name)?, true)))
    }

    /// The content of a named special token.
    pub fn name(&self, name: &str, class: Class) -> Option<String> {
        self.special(name, class).map(|token| token.content)
    }
}

/// Whether texts are opened and closed by special tokens, where it is said.
fn ends(config: &Map<String, Value>) -> Option<(bool, bool)> {
    let said = |key: &str| config.get(key).map(|value| value == &Value::Bool(true));
    let (bos, eos) = (said("add_bos_token"), said("add_eos_token"));
    (bos.is_some() || eos.is_some()).then(|| (bos.unwrap_or(false), eos.unwrap_or(false)))
}

/// `special_tokens_map.json` goes before `tokenizer_config.json`.
fn merge_map(config: &mut Map<String, Value>, map: Map<String, Value>) {
    for (key, value) in map {
        match (config.get_mut(&key), value) {
            (Some(Value::Array(known)), Value::Array(more)) if key == "extra_special_tokens" => {
                for token in more {
                    if !known.contains(&token) {
                        known.push(token);
                    }
                }
            }
            (_, value) => _ = config.insert(key, value),
        }
    }
}

/// The tokens of a list that has some.
fn extra(config: &Map<String, Value>, key: &str) -> Option<Vec<AddedToken>> {
    let listed = config.get(key)?.as_array().filter(|listed| !listed.is_empty())?;
    Some(listed.iter().filter_map(|token| token_of(token, true)).collect())
}

/// The named tokens, with the properties that the list of added tokens gives them; then a model's own names.
fn named(config: &Map<String, Value>, added: &BTreeMap<u64, AddedToken>) -> Vec<(String, AddedToken)> {
    let own = config.iter().filter(|(key, _)| key.ends_with("_token") && !NAMED.contains(&key.as_str()));
    let own = own.map(|(key, value)| (key.as_str(), value));
    let more = config.get("extra_special_tokens").and_then(Value::as_object);
    let more = more.into_iter().flatten().map(|(key, value)| (key.as_str(), value));
    let first = NAMED.iter().filter_map(|name| Some((*name, config.get(*name)?)));
    let token = |(name, value): (&str, &Value)| {
        let token = token_of(value, true)?;
        let known = added.values().find(|known| known.content == token.content).cloned();
        Some((name.to_string(), known.unwrap_or(token)))
    };
    first.chain(own).chain(more).filter_map(token).collect()
}

/// A token that is given by its text, or by an object with its properties.
pub(super) fn token_of(value: &Value, special: bool) -> Option<AddedToken> {
    if let Some(text) = value.as_str() {
        return Some(AddedToken::from(text, true));
    }
    let flag = |key: &str| value.get(key).and_then(Value::as_bool);
    let special = special || flag("special").unwrap_or(false);
    let token = AddedToken::from(value.get("content")?.as_str()?, special);
    let normalized = flag("normalized").unwrap_or(!special);
    let (single_word, lstrip, rstrip) = (flag("single_word"), flag("lstrip"), flag("rstrip"));
    let token = token.single_word(single_word.unwrap_or(false)).lstrip(lstrip.unwrap_or(false));
    Some(token.rstrip(rstrip.unwrap_or(false)).normalized(normalized))
}
