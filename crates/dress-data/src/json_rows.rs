//! The rows of JSON files.

use crate::Error;
use crate::corpus::{Source, row_text, texts};
use serde::Deserializer;
use serde::de::{SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The texts of JSON lines.
pub(crate) fn read_lines(text: &str, source: Source<'_>) -> Result<Vec<String>, Error> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parse = |(line, text): (usize, &str)| {
        if let Some(text) = only_text(text).filter(|_| source.field.is_none()) {
            return Ok(text);
        }
        let malformed =
            |error| Error::MalformedRow { path: source.path.into(), row: line + 1, source: error };
        row_text(&serde_json::from_str(text).map_err(malformed)?, line + 1, source)
    };
    lines.map(parse).collect()
}

/// The `text` of a JSON row without the values of its other keys, which large corpora have many of.
fn only_text(line: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Row {
        text: String,
    }
    let is_object = line.trim_start().starts_with('{');
    is_object.then(|| serde_json::from_str::<Row>(line).ok()).flatten().map(|row| row.text)
}

/// The texts of an array of objects.
pub(crate) fn read_array(text: &str, source: Source<'_>) -> Result<Vec<String>, Error> {
    let mut rows = Vec::new();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_seq(JsonRows(&mut rows)).and_then(|()| json.end());
    let (path, row) = (source.path.into(), rows.len() + 1);
    read.map_err(|source| Error::MalformedRow { path, row, source })?;
    texts(&rows, source)
}

/// Takes the rows of an array one by one, so that it is known how many there are before one that is malformed.
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
