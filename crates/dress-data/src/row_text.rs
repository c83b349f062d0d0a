//! How a row becomes a text.

use crate::rows::alpaca;
use crate::{ChatTemplate, Error, Tokenizer};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Which field of a row is its text, and the chat template that makes a text of a conversation.
///
/// Without a field, the text of a row is its `text` or `sentence`, or its instruction, input and output in
/// Alpaca's template, or else its `messages` or `conversations` in the chat template.
#[derive(Debug, Clone, Default)]
pub struct RowText {
    field: Option<String>,
    chat: Option<Arc<Chat>>,
}

/// A checkpoint's chat template, read where the first conversation needs it.
#[derive(Debug)]
struct Chat {
    directory: PathBuf,
    special: Vec<(String, String)>,
    template: OnceLock<ChatTemplate>,
}

/// The text of a row, and whether a chat template made it.
pub(crate) struct Made {
    pub text: String,
    pub by_template: bool,
}

impl RowText {
    /// The text is that of this field, which may also hold a conversation.
    #[must_use]
    pub fn field(mut self, field: Option<&str>) -> Self {
        self.field = field.map(String::from);
        self
    }

    /// Conversations are written in the words of the chat template of this directory.
    #[must_use]
    pub fn chat_of(mut self, directory: &Path, tokenizer: &Tokenizer) -> Self {
        let special = tokenizer.special_tokens().to_vec();
        let chat = Chat { directory: directory.into(), special, template: OnceLock::new() };
        self.chat = Some(Arc::new(chat));
        self
    }

    pub(crate) fn name_of_field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The field that is the whole text of most rows.
    pub(crate) fn usual_field(&self) -> &str {
        self.field.as_deref().unwrap_or("text")
    }

    /// SHA-256 of the chat template, once it has made a text.
    pub(crate) fn template_sha256(&self) -> Option<&str> {
        Some(self.chat.as_ref()?.template.get()?.sha256())
    }

    /// The text of a row of a file.
    pub(crate) fn of(&self, row: &Map<String, Value>, number: usize, path: &Path) -> Result<Made, Error> {
        let plain = match &self.field {
            Some(field) => row.get(field).and_then(Value::as_str).map(String::from),
            None => alpaca(row),
        };
        if let Some(text) = plain {
            return Ok(Made { text, by_template: false });
        }
        match self.conversation(row) {
            Some(messages) => self.rendered(&messages, row.get("tools"), number, path),
            None => Err(self.no_text(row, number, path)),
        }
    }

    /// The conversation of a row, in the form that templates expect.
    fn conversation<'a>(&self, row: &'a Map<String, Value>) -> Option<Cow<'a, Value>> {
        let fields =
            self.field.as_ref().map_or_else(|| vec!["messages", "conversations"], |field| vec![field]);
        let messages = fields.into_iter().find_map(|field| row.get(field).filter(|value| is_chat(value)))?;
        let named =
            messages.as_array().is_some_and(|list| list.iter().all(|turn| turn.get("role").is_some()));
        Some(if named { Cow::Borrowed(messages) } else { Cow::Owned(renamed(messages)) })
    }

    fn rendered(
        &self,
        messages: &Value,
        tools: Option<&Value>,
        number: usize,
        path: &Path,
    ) -> Result<Made, Error> {
        let failed = |error| match error {
            Error::NoChatTemplate { directory } => {
                Error::ChatRow { path: path.into(), row: number, directory }
            }
            cause => Error::ChatRowRefused { path: path.into(), row: number, cause: Box::new(cause) },
        };
        let template = self.template().map_err(failed)?;
        let text = template.render_json(messages, tools, false).map_err(failed)?;
        Ok(Made { text, by_template: true })
    }

    fn template(&self) -> Result<&ChatTemplate, Error> {
        let nowhere = || Error::NoChatTemplate { directory: PathBuf::new() };
        let chat = self.chat.as_ref().ok_or_else(nowhere)?;
        if chat.template.get().is_none() {
            let read = ChatTemplate::of_directory(&chat.directory, chat.special.clone())?;
            // Another thread may have read the same in the meantime.
            _ = chat.template.set(read);
        }
        chat.template.get().ok_or_else(nowhere)
    }

    /// Why a row has no text.
    fn no_text(&self, row: &Map<String, Value>, number: usize, path: &Path) -> Error {
        let path: PathBuf = path.into();
        let keys: Vec<String> = row.keys().take(10).map(|key| format!("`{key}`")).collect();
        let keys = if keys.is_empty() { "none".into() } else { keys.join(", ") };
        let no_field = |field: &str, found| Error::NoField {
            path: path.clone(),
            row: number,
            field: field.into(),
            found,
            keys: keys.clone(),
        };
        if let Some(field) = &self.field {
            return no_field(field, kind(row.get(field)));
        }
        for field in ["text", "sentence", "instruction", "output", "messages", "conversations"] {
            match row.get(field) {
                Some(Value::Null) => return Error::NullText { path, row: number, field },
                Some(Value::String(_)) | None => {}
                found => return no_field(field, kind(found)),
            }
        }
        Error::UnknownRow { path, row: number, found: keys }
    }
}

/// A list of turns, as `role` and `content` or as ShareGPT's `from` and `value`.
fn is_chat(value: &Value) -> bool {
    let is_turn = |turn: &Value| {
        turn.get("role").is_some() || (turn.get("from").is_some() && turn.get("value").is_some())
    };
    value.as_array().is_some_and(|turns| !turns.is_empty() && turns.iter().all(is_turn))
}

/// ShareGPT's names in those of chat templates.
fn renamed(messages: &Value) -> Value {
    let turn = |turn: &Value| {
        let role = match turn["from"].as_str() {
            Some("human") => Value::from("user"),
            Some("gpt" | "bot") => Value::from("assistant"),
            _ => turn["from"].clone(),
        };
        if turn.get("role").is_some() {
            return turn.clone();
        }
        serde_json::json!({ "role": role, "content": turn["value"] })
    };
    messages.as_array().into_iter().flatten().map(turn).collect()
}

fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "missing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "true or false",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(list)) if list.is_empty() => "an empty list",
        Some(Value::Array(_)) => "a list, but not of messages with `role` and `content`",
        Some(Value::Object(_)) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::tests::words;
    use crate::{Corpus, CorpusFormat};

    const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}\
                            {% if tools %}[{{ tools | length }}]{% endif %}";

    fn read(template: Option<&str>, field: Option<&str>, rows: &str) -> Result<Vec<String>, Error> {
        let at = tempfile::tempdir().unwrap();
        if let Some(template) = template {
            std::fs::write(at.path().join("chat_template.jinja"), template).unwrap();
        }
        let path = at.path().join("a.jsonl");
        std::fs::write(&path, rows).unwrap();
        let rows = RowText::default().field(field).chat_of(at.path(), &words());
        let corpus = Corpus::read_as(&path, CorpusFormat::Auto, &rows)?;
        corpus.rows().map(|row| row.map(Cow::into_owned)).collect()
    }

    #[test]
    fn conversations_are_written_by_the_chat_template_however_they_are_named() {
        let turns = r#"[{"role":"user","content":"w1"},{"role":"assistant","content":"w2"}]"#;
        let shared = r#"[{"from":"human","value":"w1"},{"from":"gpt","value":"w2"}]"#;
        for (row, field) in [
            (format!(r#"{{"id":1,"messages":{turns}}}"#), None),
            (format!(r#"{{"conversations":{shared}}}"#), None),
            (format!(r#"{{"text":"w3","dialog":{turns}}}"#), Some("dialog")),
        ] {
            assert_eq!(read(Some(TEMPLATE), field, &row).unwrap(), ["<user>w1<assistant>w2"], "{row}");
        }
        let tools = format!(r#"{{"messages":{turns},"tools":[{{}},{{}}]}}"#);
        assert_eq!(read(Some(TEMPLATE), None, &tools).unwrap(), ["<user>w1<assistant>w2[2]"]);
        let text_first = format!(r#"{{"messages":{turns},"text":"w3"}}"#);
        assert_eq!(read(Some(TEMPLATE), None, &text_first).unwrap(), ["w3"]);
    }

    #[test]
    fn a_conversation_without_a_template_or_that_it_refuses_names_the_row() {
        let rows = "{\"text\":\"w1\"}\n{\"messages\":[{\"role\":\"tool\",\"content\":\"w1\"}]}";
        let missing = read(None, None, rows).unwrap_err().to_string();
        assert!(missing.contains("row 2") && missing.contains("apply_chat_template"), "{missing}");
        let refused = read(Some("{{ raise_exception('no tools') }}"), None, rows).unwrap_err().to_string();
        assert!(refused.contains("row 2") && refused.contains("no tools"), "{refused}");
    }

    #[test]
    fn what_is_no_conversation_is_said_with_the_keys_of_the_row() {
        for (row, says) in [
            ("{\"messages\":[]}", "`messages` is an empty list"),
            ("{\"messages\":[{\"who\":\"me\"}]}", "not of messages"),
            ("{\"messages\":null,\"id\":1}", "`messages` is null"),
            ("{\"conversations\":\"w1\",\"id\":1}", "`conversations`, `id`"),
            ("{\"text\":null}", "`text` is null"),
            ("{\"text\":[\"w1\"]}", "`text` is a list"),
        ] {
            let error = read(Some(TEMPLATE), None, row).unwrap_err().to_string();
            assert!(error.contains("row 1") && error.contains(says), "{row}: {error}");
        }
    }
}
