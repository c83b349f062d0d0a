//! The rows of JSON files.

use crate::row_text::Made;
use crate::{Error, RowText};
use serde::Deserializer;
use serde::de::{Deserialize, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

/// The texts of a file's rows.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub rows: Vec<String>,
    /// Whether a chat template made one of them.
    pub by_template: bool,
}

impl Texts {
    pub fn push(&mut self, made: Made) {
        self.by_template |= made.by_template;
        self.rows.push(made.text);
    }
}

/// The texts of JSON lines.
pub(crate) fn read_lines(text: &str, rows: &RowText, path: &Path) -> Result<Texts, Error> {
    let mut texts = Texts::default();
    for (line, text) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        texts.push(line_text(text, line + 1, rows, path)?);
    }
    Ok(texts)
}

/// The text of one line, which is a row of JSON.
pub(crate) fn line_text(line: &str, number: usize, rows: &RowText, path: &Path) -> Result<Made, Error> {
    if let Some(text) = only_field(line, rows.usual_field()) {
        return Ok(Made { text, by_template: false });
    }
    let malformed = |cause| Error::MalformedRow { path: path.into(), row: number, cause };
    rows.of(&serde_json::from_str(line).map_err(malformed)?, number, path)
}

/// One field of a JSON row without the values of its other keys, which large corpora have many of. The last
/// of equal keys counts.
pub(crate) fn only_field<'de, T: Deserialize<'de>>(line: &'de str, field: &str) -> Option<T> {
    let mut json = serde_json::Deserializer::from_str(line);
    let found = json.deserialize_map(OnlyField(field, PhantomData)).ok()?;
    json.end().ok()?;
    found
}

struct OnlyField<'a, T>(&'a str, PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyField<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut row: A) -> Result<Option<T>, A::Error> {
        let mut found = None;
        while let Some(is_field) = row.next_key_seed(IsField(self.0))? {
            match is_field {
                true => found = Some(row.next_value()?),
                false => _ = row.next_value::<IgnoredAny>()?,
            }
        }
        Ok(found)
    }
}

/// Whether a key is the one that is looked for.
struct IsField<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for IsField<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<bool, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for IsField<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

/// How long a text is, without keeping it.
pub(crate) struct Extent {
    pub bytes: u64,
    /// Whether there is more in it than white space.
    pub filled: bool,
}

impl Extent {
    pub fn of(text: &str) -> Self {
        Self { bytes: text.len() as u64, filled: !text.trim_start().is_empty() }
    }
}

impl<'de> Deserialize<'de> for Extent {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        text.deserialize_str(OfText)
    }
}

struct OfText;

impl Visitor<'_> for OfText {
    type Value = Extent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Extent, E> {
        Ok(Extent::of(text))
    }
}

/// The texts of an array of objects.
pub(crate) fn read_array(text: &str, rows: &RowText, path: &Path) -> Result<Texts, Error> {
    let mut found = Vec::new();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_seq(JsonRows(&mut found)).and_then(|()| json.end());
    let row = found.len() + 1;
    read.map_err(|cause| Error::MalformedRow { path: path.into(), row, cause })?;
    texts(&found, rows, path)
}

/// The texts of rows.
pub(crate) fn texts(found: &[Map<String, Value>], rows: &RowText, path: &Path) -> Result<Texts, Error> {
    let mut texts = Texts::default();
    for (index, row) in found.iter().enumerate() {
        texts.push(rows.of(row, index + 1, path)?);
    }
    Ok(texts)
}

/// Takes the rows of an array one by one, so that it is known how many there are before one that is
/// malformed.
struct JsonRows<'a>(&'a mut Vec<Map<String, Value>>);

impl<'de> Visitor<'de> for JsonRows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element()? {
            self.0.push(row);
        }
        Ok(())
    }
}

/// A line of bytes as text, without the byte-order mark that may open a file.
pub(crate) fn line_of(bytes: &[u8], at: u64) -> Result<&str, usize> {
    let text = std::str::from_utf8(bytes).map_err(|error| at as usize + error.valid_up_to())?;
    Ok(if at == 0 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text })
}

/// Texts that are held, as they are.
pub(crate) fn borrowed(row: &str) -> Result<Cow<'_, str>, Error> {
    Ok(Cow::Borrowed(row))
}
