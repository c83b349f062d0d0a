//! A file of text.

use crate::files::files;
use crate::format::{Found, decompressed, told};
use crate::json_rows::{read_array, read_lines};
use crate::tables::{csv_rows, parquet_rows};
use crate::{Error, rows, sha256};
use serde_json::{Map, Value};
use std::io::Read;
use std::path::{Path, PathBuf};

/// How a file holds its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CorpusFormat {
    /// By its first bytes: gzip, zstd, Parquet, CSV, JSON lines, an array of JSON objects, or text.
    #[default]
    Auto,
    /// Plain text, a row a line.
    Text,
    /// A JSON object a line.
    Jsonl,
    /// One array of JSON objects.
    Json,
}

/// The text of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corpus {
    path: PathBuf,
    sha256: String,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    /// The file as it is.
    Text(String),
    /// The text of each row.
    Rows(Vec<String>),
}

impl Corpus {
    /// Reads a file, or standard input where the path is `-`. A byte-order mark is dropped; line ends stay as they are.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::NotUtf8`], [`Error::Empty`], [`Error::NoCorpus`], [`Error::Compressed`], [`Error::Table`], and of
    /// rows [`Error::MalformedRow`], [`Error::UnknownRow`], [`Error::NullText`] and [`Error::ChatRow`].
    pub fn read(path: &Path, format: CorpusFormat) -> Result<Self, Error> {
        Self::read_field(path, format, None)
    }

    /// As [`Corpus::read`], where the text of a row is that of `field`. The files of a folder, or of a list with commas, are
    /// one corpus.
    ///
    /// # Errors
    /// Those of [`Corpus::read`], and [`Error::NoField`], [`Error::TextAndRows`] and [`Error::Splits`].
    pub fn read_field(path: &Path, format: CorpusFormat, field: Option<&str>) -> Result<Self, Error> {
        let corpus = match files(path)? {
            Some(files) => {
                let parts = files.iter().map(|file| Self::read_file(file, format, field));
                Self::joined(path, parts.collect::<Result<_, _>>()?)?
            }
            None => Self::read_file(path, format, field)?,
        };
        if corpus.rows().all(|row| row.trim().is_empty()) {
            return Err(Error::Empty { path: path.into() });
        }
        Ok(corpus)
    }

    /// Texts one after the other, each ending its line, or the rows of all.
    fn joined(path: &Path, parts: Vec<Self>) -> Result<Self, Error> {
        let hashes: String = parts.iter().map(|part| format!("{}\n", part.sha256)).collect();
        let all_text = parts.iter().all(Self::is_text);
        let (mut text, mut rows) = (String::new(), Vec::new());
        for part in parts {
            match part.content {
                Content::Text(more) if all_text => {
                    let ends_line = text.is_empty() || text.ends_with('\n');
                    text += if ends_line { "" } else { "\n" };
                    text += &more;
                }
                Content::Text(_) => return Err(Error::TextAndRows { path: path.into() }),
                Content::Rows(more) => rows.extend(more),
            }
        }
        let content = if all_text { Content::Text(text) } else { Content::Rows(rows) };
        Ok(Self { path: path.into(), sha256: sha256::hex(hashes.as_bytes()), content })
    }

    fn read_file(path: &Path, format: CorpusFormat, field: Option<&str>) -> Result<Self, Error> {
        let source = Source { path, field };
        let bytes = read_bytes(path)?;
        let sha256 = sha256::hex(&bytes);
        let bytes = decompressed(bytes, path)?;
        let content = match told(&bytes, path, format)? {
            Found::Parquet => Content::Rows(texts(&parquet_rows(bytes, path)?, source)?),
            Found::Csv(between) => Content::Rows(texts(&csv_rows(&bytes, between, path)?, source)?),
            Found::Lines => Content::Rows(read_lines(&utf8(bytes, path)?, source)?),
            Found::Array => Content::Rows(read_array(&utf8(bytes, path)?, source)?),
            Found::Text => Content::Text(utf8(bytes, path)?),
        };
        Ok(Self { path: path.into(), sha256, content })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file's bytes, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Whether it is a plain text, whose rows are its lines.
    pub fn is_text(&self) -> bool {
        matches!(self.content, Content::Text(_))
    }

    /// The first `share` of the rows and the rest, for calibrating and evaluating on one file.
    ///
    /// # Errors
    /// [`Error::Empty`] where one of the two would have no text.
    pub fn split(&self, share: f64) -> Result<(Self, Self), Error> {
        let rows: Vec<String> = self.rows().map(String::from).collect();
        let at = ((rows.len() as f64 * share).round() as usize).min(rows.len());
        let part = |rows: &[String], name: &str| {
            if rows.iter().all(|row| row.trim().is_empty()) {
                return Err(Error::Empty { path: self.path.clone() });
            }
            let content = match &self.content {
                Content::Text(_) => Content::Text(rows.join("\n")),
                Content::Rows(_) => Content::Rows(rows.to_vec()),
            };
            let path = PathBuf::from(format!("{} ({name} of the rows)", self.path.display()));
            Ok(Self { path, sha256: self.sha256.clone(), content })
        };
        let first = part(&rows[..at], &format!("the first {share}"))?;
        Ok((first, part(&rows[at..], &format!("all after the first {share}"))?))
    }

    /// The rows: a text's lines, or each JSON row's text.
    pub fn rows(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match &self.content {
            Content::Text(text) => Box::new(text.lines()),
            Content::Rows(rows) => Box::new(rows.iter().map(String::as_str)),
        }
    }

    /// What of `join` stands in [`Corpus::text`]: nothing in a text file.
    pub(crate) fn join_of_text<'a>(&self, join: &'a str) -> &'a str {
        if self.is_text() { "" } else { join }
    }

    /// The whole text: a text file as it is, JSON rows with `join` between them.
    pub fn text(&self, join: &str) -> String {
        match &self.content {
            Content::Text(text) => text.clone(),
            Content::Rows(rows) => rows.join(join),
        }
    }
}

/// A file of rows, and the field that holds their text where one was given.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub path: &'a Path,
    pub field: Option<&'a str>,
}

/// The bytes of a file, or of standard input where it is `-`.
fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes),
        false => dress_core::files::read(path),
    };
    read.map_err(|source| Error::Io { path: path.into(), source })
}

/// The text of some bytes, without a byte-order mark.
fn utf8(bytes: Vec<u8>, path: &Path) -> Result<String, Error> {
    let mut text = String::from_utf8(bytes)
        .map_err(|error| Error::NotUtf8 { path: path.into(), offset: error.utf8_error().valid_up_to() })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// The texts of rows.
pub(crate) fn texts(rows: &[Map<String, Value>], source: Source<'_>) -> Result<Vec<String>, Error> {
    rows.iter().enumerate().map(|(index, row)| row_text(row, index + 1, source)).collect()
}

/// The text of a row.
pub(crate) fn row_text(row: &Map<String, Value>, number: usize, source: Source<'_>) -> Result<String, Error> {
    let found = match source.field {
        Some(field) => row.get(field).and_then(Value::as_str).map(String::from),
        None => rows::text(row),
    };
    found.ok_or_else(|| no_text(row, number, source))
}

/// Why a row has no text.
fn no_text(row: &Map<String, Value>, number: usize, source: Source<'_>) -> Error {
    let (path, row_number) = (source.path.into(), number);
    let keys: Vec<String> = row.keys().take(10).map(|key| format!("`{key}`")).collect();
    let keys = if keys.is_empty() { "none".into() } else { keys.join(", ") };
    if let Some(field) = source.field {
        let found = kind(row.get(field));
        return Error::NoField { path, row: row_number, field: field.into(), found, keys };
    }
    for field in ["text", "sentence", "instruction", "output"] {
        match row.get(field) {
            Some(Value::Null) => return Error::NullText { path, row: row_number, field },
            Some(Value::String(_)) | None => {}
            found => {
                return Error::NoField {
                    path,
                    row: row_number,
                    field: field.into(),
                    found: kind(found),
                    keys,
                };
            }
        }
    }
    match row.contains_key("messages") {
        true => Error::ChatRow { path, row: row_number },
        false => Error::UnknownRow { path, row: row_number, found: keys },
    }
}

fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "missing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "true or false",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(_)) => "an object",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The corpus of a file of this name and content.
    pub fn corpus(name: &str, content: &str) -> Corpus {
        read(name, content.as_bytes()).unwrap()
    }

    fn read(name: &str, content: &[u8]) -> Result<Corpus, Error> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        Corpus::read(&path, CorpusFormat::Auto)
    }

    fn message(name: &str, content: &[u8]) -> String {
        read(name, content).unwrap_err().to_string()
    }

    #[test]
    fn a_text_stays_as_it_is_and_is_named_by_its_bytes() {
        let corpus = read("a.txt", b"one\r\n\ntwo\n").unwrap();
        assert_eq!(corpus.text("|"), "one\r\n\ntwo\n");
        assert_eq!(corpus.rows().collect::<Vec<_>>(), ["one", "", "two"]);
        assert_eq!(corpus.sha256(), sha256::hex(b"one\r\n\ntwo\n"));
        assert_eq!(sha256::hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn json_lines_and_arrays_give_the_same_rows() {
        let lines = read("a.jsonl", b"{\"text\":\"one\"}\n\n{\"text\":\"two\"}\n").unwrap();
        let array = read("a.json", b"[{\"text\":\"one\"},{\"text\":\"two\"}]").unwrap();
        assert_eq!(lines.text(" "), "one two");
        assert_eq!(array.text(" "), "one two");
    }

    #[test]
    fn a_split_shares_out_the_rows() {
        let corpus = read("a.txt", b"one\ntwo\nthree\nfour\nfive").unwrap();
        let (first, rest) = corpus.split(0.8).unwrap();
        assert_eq!((first.text(""), rest.text("")), ("one\ntwo\nthree\nfour".into(), "five".into()));
        assert!(read("a.txt", b"one").unwrap().split(0.8).is_err());
    }

    #[test]
    fn empty_corpus_is_an_error() {
        for content in [&b""[..], b"\n \n", b"\xef\xbb\xbf"] {
            let message = message("a.txt", content);
            assert!(message.contains("a.txt") && message.contains("no text"), "{message}");
        }
        assert!(message("a.jsonl", b"{\"text\":\"\"}").contains("no text"));
    }

    #[test]
    fn malformed_json_row_names_its_line() {
        let message = message("a.jsonl", b"{\"text\":\"one\"}\n{\"text\":");
        assert!(message.contains("a.jsonl") && message.contains("row 2"), "{message}");
    }

    #[test]
    fn malformed_json_in_an_array_names_its_row() {
        for (array, row) in [
            (&b"[{\"text\":\"one\"},{\"text\":\"two\"},{\"text\":]"[..], "row 3"),
            (b"[{\"text\":\"one\"},7]", "row 2"),
            (b"{\n\"text\":\"one\"}", "row 1"),
        ] {
            let message = message("a.json", array);
            assert!(message.contains("a.json") && message.contains(row), "{message}");
        }
    }

    #[test]
    fn a_row_without_text_names_the_keys_it_has() {
        let message = message("a.jsonl", b"{\"body\":\"one\"}");
        assert!(message.contains("`body`") && message.contains("expected `text`"), "{message}");
    }

    #[test]
    fn a_row_that_is_an_array_or_names_its_text_twice_is_read_as_json_says() {
        assert!(message("a.jsonl", b"{\"text\":\"one\"}\n[\"two\"]").contains("row 2"));
        let twice = read("a.jsonl", b"{\"text\":\"one\",\"text\":\"two\"}").unwrap();
        assert_eq!(twice.rows().next(), Some("two"));
    }

    const ROWS: &str = "{\"text\":\"one\"}\n{\"text\":\"two\"}\n";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, bytes).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn the_first_bytes_say_what_a_file_is() {
        let zstd = zstd::encode_all(ROWS.as_bytes(), 1).unwrap();
        let members = [gzip(&ROWS.as_bytes()[..15]), gzip(&ROWS.as_bytes()[15..])].concat();
        for (name, content) in [
            ("a.json", ROWS.as_bytes()),
            ("a.json.gz", &gzip(ROWS.as_bytes())),
            ("a", &members),
            ("a.txt", &zstd),
            ("a.jsonl", b"[{\"text\":\"one\"},{\"text\":\"two\"}]"),
            ("a.csv", b"id,text\n0,one\n1,\"two\"\n"),
            ("a.tsv", b"text\tid\none\t1\ntwo\t2"),
            ("a.txt", b"id;text\n0;one\n1;two"),
        ] {
            let corpus = read(name, content).unwrap();
            assert_eq!(corpus.rows().collect::<Vec<_>>(), ["one", "two"], "{name}");
            assert_eq!(corpus.sha256(), sha256::hex(content), "{name}");
        }
        assert!(read("a.txt", b"text, he said, is\nall").unwrap().is_text());
    }

    #[test]
    fn what_is_no_corpus_is_named_with_the_cure() {
        for (content, says) in [
            (&b"BZh9"[..], "bunzip2"),
            (b"PK\x03\x04", "zip"),
            (b"\xff\xff\xff\xff\x10", "to_parquet"),
            (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
            (b"\x1f\x8b\x08\0no", "gzip"),
            (b"PAR1no", "Parquet"),
        ] {
            let message = message("a.jsonl", content);
            assert!(message.contains("a.jsonl") && message.contains(says), "{message}");
        }
        assert!(message("a.csv", b"id,body\n1,one\n").contains("`body`"));
        assert!(message("a.csv", b"id,text\n1,one,two\n").contains("CSV"));
    }

    #[test]
    fn a_text_that_is_null_is_said_to_be_that() {
        let message = message("a.jsonl", b"{\"text\":\"one\"}\n{\"text\":null}");
        assert!(message.contains("row 2") && message.contains("`text` is null"), "{message}");
        let chat = self::message("a.jsonl", b"{\"messages\":[]}");
        assert!(chat.contains("chat"), "{chat}");
    }

    #[test]
    fn invalid_utf8_names_the_byte() {
        let message = message("a.txt", b"abc\xff");
        assert!(message.contains("byte 3") && message.contains("iconv"), "{message}");
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it() {
        let error = Corpus::read(Path::new("/nowhere/corpus.txt"), CorpusFormat::Auto).unwrap_err();
        assert!(error.to_string().contains("/nowhere/corpus.txt"));
    }
}
