//! A conversation as the text that a chat model was trained on.

use crate::tokenizer::json_file;
use crate::{Error, Tokenizer, sha256};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, Value};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// What somebody says in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who: `system`, `user` or `assistant`.
    pub role: String,
    /// What.
    pub content: String,
}

/// A checkpoint's chat template: Jinja, with the functions that `transformers` gives to templates.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    special: Vec<(String, String)>,
    sha256: String,
}

const NAME: &str = "chat_template";

/// What a template may use up for one conversation, so that one that would never end does: as many steps, or
/// 64 times as many bytes.
const FUEL: u64 = 20_000_000;

impl ChatTemplate {
    /// The template of a directory: `chat_template.jinja` and `additional_chat_templates`, or else
    /// `chat_template` in `tokenizer_config.json`; of several, the one called `default`.
    ///
    /// # Errors
    /// [`Error::NoChatTemplate`], [`Error::NoDefaultChatTemplate`], [`Error::ChatTemplate`] where it is not
    /// Jinja, [`Error::Io`] and [`Error::TokenizerFile`].
    pub fn from_directory(directory: &Path, tokenizer: &Tokenizer) -> Result<Self, Error> {
        Self::of_directory(directory, tokenizer.special_tokens().to_vec())
    }

    pub(crate) fn of_directory(directory: &Path, special: Vec<(String, String)>) -> Result<Self, Error> {
        Self::parse(template_of(directory)?, special)
    }

    /// The text of the template that [`ChatTemplate::from_directory`] reads.
    ///
    /// # Errors
    /// [`Error::NoChatTemplate`], [`Error::NoDefaultChatTemplate`], [`Error::Io`] and
    /// [`Error::TokenizerFile`].
    pub fn text_in(directory: &Path) -> Result<String, Error> {
        template_of(directory)
    }

    /// Reads a template; it can name the `special` tokens.
    ///
    /// # Errors
    /// [`Error::ChatTemplate`].
    pub fn parse(text: String, special: Vec<(String, String)>) -> Result<Self, Error> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| failed(&error))?);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", |message: String| -> Result<String, _> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_function("strftime_now", strftime_now);
        let sha256 = sha256::hex(text.as_bytes());
        let text = without_generation_marks(text);
        environment.add_template_owned(NAME, text).map_err(|error| failed(&error))?;
        Ok(Self { environment, special, sha256 })
    }

    /// The text of a conversation; with `add_generation_prompt`, up to where the assistant begins to speak.
    /// Special tokens are in it, so that it is tokenized without adding more.
    ///
    /// # Errors
    /// [`Error::ChatTemplate`].
    ///
    /// # Examples
    /// ```
    /// use dress_data::{ChatMessage, ChatTemplate};
    ///
    /// let text = "{% for message in messages %}{{ message.role }}: {{ message.content }};{% endfor %}";
    /// let template = ChatTemplate::parse(text.into(), Vec::new())?;
    /// let messages = [ChatMessage { role: "user".into(), content: "hello".into() }];
    /// assert_eq!(template.render(&messages, false)?, "user: hello;");
    /// # Ok::<(), dress_data::Error>(())
    /// ```
    pub fn render(&self, messages: &[ChatMessage], add_generation_prompt: bool) -> Result<String, Error> {
        self.rendered(Value::from(Serde(messages)), None, add_generation_prompt)
    }

    /// As [`ChatTemplate::render`], of messages as a data set holds them: with tool calls, parts or whatever
    /// else the template reads, and with the tools that the row names.
    ///
    /// # Errors
    /// [`Error::ChatTemplate`].
    pub fn render_json(
        &self,
        messages: &Json,
        tools: Option<&Json>,
        add_generation_prompt: bool,
    ) -> Result<String, Error> {
        self.rendered(Value::from(Serde(messages)), tools, add_generation_prompt)
    }

    /// SHA-256 of the template, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    fn rendered(
        &self,
        messages: Value,
        tools: Option<&Json>,
        add_generation_prompt: bool,
    ) -> Result<String, Error> {
        let mut context: BTreeMap<&str, Value> =
            self.special.iter().map(|(name, token)| (name.as_str(), token.as_str().into())).collect();
        context.insert("messages", messages);
        context.insert("add_generation_prompt", add_generation_prompt.into());
        // Stock hands these over too where nobody gave any.
        context.insert("tools", tools.map_or_else(|| Value::from(()), |tools| Value::from(Serde(tools))));
        context.insert("documents", Value::from(()));
        let template = self.environment.get_template(NAME).map_err(|error| failed(&error))?;
        template.render(context).map_err(|error| failed(&error))
    }
}

/// What the template says where it refuses, and where.
fn failed(error: &minijinja::Error) -> Error {
    if error.kind() == ErrorKind::OutOfFuel {
        let reason = format!("it takes more than {FUEL} steps for one conversation; take its loops out");
        return Error::ChatTemplate { reason };
    }
    let line = error.line().map_or_else(String::new, |line| format!(" (line {line})"));
    let reason = error.detail().map_or_else(|| error.to_string(), |detail| format!("{detail}{line}"));
    Error::ChatTemplate { reason }
}

/// Files go before the configuration.
fn template_of(directory: &Path) -> Result<String, Error> {
    let mut named = template_files(directory)?;
    if named.is_empty() {
        let config = json_file::read(directory, "tokenizer_config.json")?.unwrap_or_default();
        match config.get("chat_template") {
            Some(Json::String(text)) => return Ok(text.clone()),
            Some(Json::Array(list)) => named.extend(list.iter().filter_map(|template| {
                Some((template["name"].as_str()?.into(), template["template"].as_str()?.into()))
            })),
            Some(Json::Object(object)) => named
                .extend(object.iter().filter_map(|(name, text)| Some((name.clone(), text.as_str()?.into())))),
            _ => {}
        }
    }
    if let Some(text) = named.remove("default") {
        return Ok(text);
    }
    let directory = directory.into();
    match named.is_empty() {
        true => Err(Error::NoChatTemplate { directory }),
        false => {
            let names: Vec<String> = named.into_keys().collect();
            Err(Error::NoDefaultChatTemplate { directory, names: names.join(", ") })
        }
    }
}

fn template_files(directory: &Path) -> Result<BTreeMap<String, String>, Error> {
    let mut files = vec![("default".to_string(), directory.join("chat_template.jinja"))];
    if let Ok(more) = std::fs::read_dir(directory.join("additional_chat_templates")) {
        let named = |path: &Path| {
            path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jinja").map(String::from))
        };
        files.extend(more.flatten().filter_map(|file| Some((named(&file.path())?, file.path()))));
    }
    let mut found = BTreeMap::new();
    for (name, path) in files {
        match dress_core::files::read_to_string(&path) {
            Ok(text) => _ = found.insert(name, text),
            // A GGUF file is no directory.
            Err(cause) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&cause.kind()) => {
            }
            Err(cause) => return Err(Error::Io { path, cause }),
        }
    }
    Ok(found)
}

/// `{% generation %}` only marks what the assistant said, for training.
fn without_generation_marks(text: String) -> String {
    let mut text = text;
    for (mark, plain) in [("generation", "if true"), ("endgeneration", "endif")] {
        for open in ["{%", "{%-"] {
            for close in ["%}", "-%}"] {
                for (before, after) in [(" ", " "), ("", ""), (" ", ""), ("", " ")] {
                    let marked = format!("{open}{before}{mark}{after}{close}");
                    text = text.replace(&marked, &format!("{open} {plain} {close}"));
                }
            }
        }
    }
    text
}

fn strftime_now(format: String) -> Result<String, minijinja::Error> {
    use std::fmt::Write;
    let mut text = String::new();
    let written = write!(text, "{}", chrono::Local::now().format(&format));
    let invalid = || format!("strftime_now: `{format}` is not a format of dates");
    written.map_err(|_| minijinja::Error::new(ErrorKind::InvalidOperation, invalid()))?;
    Ok(text)
}

/// JSON as Python writes it, with a blank after commas and colons and nothing escaped for HTML.
fn to_json(value: &Value, options: Kwargs) -> Result<String, minijinja::Error> {
    let indent: Option<usize> = options.get("indent")?;
    let _: Option<bool> = options.get("ensure_ascii")?;
    let _: Option<bool> = options.get("sort_keys")?;
    options.assert_all_used()?;
    let mut text = String::new();
    write_json(value, indent, 0, &mut text)?;
    Ok(text)
}

fn write_json(
    value: &Value,
    indent: Option<usize>,
    depth: usize,
    text: &mut String,
) -> Result<(), minijinja::Error> {
    let (open, close) = match value.kind() {
        ValueKind::Map => ('{', '}'),
        ValueKind::Seq | ValueKind::Iterable => ('[', ']'),
        _ => {
            let plain = serde_json::to_string(value);
            text.push_str(&plain.map_err(|error| {
                minijinja::Error::new(ErrorKind::InvalidOperation, format!("tojson: {error}"))
            })?);
            return Ok(());
        }
    };
    text.push(open);
    let mut empty = true;
    for item in value.try_iter()? {
        match (empty, indent) {
            (true, None) => {}
            (false, None) => text.push_str(", "),
            (first, Some(indent)) => {
                text.push_str(if first { "\n" } else { ",\n" });
                text.extend(std::iter::repeat_n(' ', indent * (depth + 1)));
            }
        }
        empty = false;
        if open == '{' {
            write_json(&item, indent, depth + 1, text)?;
            text.push_str(": ");
            write_json(&value.get_item(&item)?, indent, depth + 1, text)?;
        } else {
            write_json(&item, indent, depth + 1, text)?;
        }
    }
    if let (false, Some(indent)) = (empty, indent) {
        text.push('\n');
        text.extend(std::iter::repeat_n(' ', indent * depth));
    }
    text.push(close);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(template: &str) -> Result<String, Error> {
        let special = vec![("bos_token".to_string(), "<s>".to_string())];
        let message = |role: &str, content: &str| ChatMessage { role: role.into(), content: content.into() };
        ChatTemplate::parse(template.into(), special)?.render(&[message("user", " <hi> ")], true)
    }

    #[test]
    fn blocks_leave_no_lines_and_texts_have_the_methods_of_python() {
        let template = "{{ bos_token }}\n{% for m in messages %}\n  {% if m['role'].startswith('us') %}\n{{ m.content.strip() }}|\n  {% endif %}\n{% endfor %}\n{% if add_generation_prompt and not tools %}A:{% endif %}";
        assert_eq!(say(template).unwrap(), "<s>\n<hi>|\nA:");
    }

    #[test]
    fn json_is_written_as_python_writes_it() {
        assert_eq!(
            say("{{ {'a': [1, '<é>', none, true]} | tojson }}").unwrap(),
            r#"{"a": [1, "<é>", null, true]}"#
        );
        assert_eq!(say("{{ [1, []] | tojson(indent=2) }}").unwrap(), "[\n  1,\n  []\n]");
    }

    #[test]
    fn a_template_that_would_not_end_is_refused() {
        let nested = "{% for i in range(99999) %}{% for j in range(99999) %}{{ i }}{% endfor %}{% endfor %}";
        let error = say(nested).unwrap_err().to_string();
        assert!(error.contains("take its loops out"), "{error}");
    }

    #[test]
    fn a_template_refuses_in_its_own_words() {
        let error = say("{{ raise_exception('roles must alternate') }}").unwrap_err().to_string();
        assert!(error.contains("roles must alternate"), "{error}");
        let error = say("{% for %}").unwrap_err().to_string();
        assert!(error.contains("chat template"), "{error}");
    }

    #[test]
    fn marks_of_training_loop_controls_and_dates_are_known() {
        let template = "{% for m in messages %}{% generation %}x{% endgeneration %}{% break %}{% endfor %}{{ strftime_now('%Y') | length }}{% set ns = namespace(n=1) %}{{ ns.n }}";
        assert_eq!(say(template).unwrap(), "x41");
        assert!(say("{{ strftime_now('%') }}").is_err());
    }

    #[test]
    fn files_go_before_the_configuration_and_the_default_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert!(matches!(template_of(path), Err(Error::NoChatTemplate { .. })));
        let config = r#"{"chat_template":[{"name":"rag","template":"r"},{"name":"default","template":"d"}]}"#;
        std::fs::write(path.join("tokenizer_config.json"), config).unwrap();
        assert_eq!(template_of(path).unwrap(), "d");
        std::fs::write(path.join("tokenizer_config.json"), config.replace("default", "tool_use")).unwrap();
        assert!(template_of(path).unwrap_err().to_string().contains("rag, tool_use"));
        std::fs::write(path.join("chat_template.jinja"), "file").unwrap();
        assert_eq!(template_of(path).unwrap(), "file");
    }
}
