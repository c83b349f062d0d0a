//! A file of text.

use crate::files::files;
use crate::format::{CorpusFormat, Found, decompressed, is_plain_lines, told};
use crate::json_rows::{Texts, borrowed, read_array, read_lines, texts};
use crate::large_lines::{HELD, LargeLines};
use crate::tables::{csv_rows, parquet_rows};
use crate::{Error, RowText, sha256};
use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The text of one file, or of several as one.
///
/// JSON lines of over 16 MiB that are not compressed are not held: they are read once for their lengths, and
/// again wherever a text is wanted.
#[derive(Debug, Clone)]
pub struct Corpus {
    path: PathBuf,
    sha256: String,
    rows: RowText,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    /// The file as it is.
    Text(String),
    /// The text of each row, and whether a chat template made one.
    Rows(Vec<String>, bool),
    /// Rows that are not held.
    Large(LargeLines),
}

impl Corpus {
    /// Reads a file, or standard input where the path is `-`. A byte-order mark is dropped; line ends stay as
    /// they are.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::NotUtf8`], [`Error::Empty`], [`Error::NoCorpus`], [`Error::Compressed`],
    /// [`Error::Table`], [`Error::StdinTwice`], and of rows [`Error::MalformedRow`], [`Error::UnknownRow`],
    /// [`Error::NullText`] and [`Error::ChatRow`].
    ///
    /// # Examples
    /// ```
    /// use dress_data::{Corpus, CorpusFormat};
    ///
    /// let directory = tempfile::tempdir().expect("a place for temporary files");
    /// let path = directory.path().join("corpus.jsonl");
    /// std::fs::write(&path, "{\"text\":\"one\"}\n{\"text\":\"two\"}\n").expect("a file");
    /// let corpus = Corpus::read(&path, CorpusFormat::Auto)?;
    /// assert!(!corpus.is_text());
    /// assert_eq!(corpus.text(" and ")?, "one and two");
    /// # Ok::<(), dress_data::Error>(())
    /// ```
    pub fn read(path: &Path, format: CorpusFormat) -> Result<Self, Error> {
        Self::read_as(path, format, &RowText::default())
    }

    /// As [`Corpus::read`], where rows become texts as `rows` says. The files of a folder, or of a list with
    /// commas, are one corpus.
    ///
    /// # Errors
    /// Those of [`Corpus::read`], and [`Error::NoField`], [`Error::ChatRowRefused`], [`Error::TextAndRows`]
    /// and [`Error::Splits`].
    pub fn read_as(path: &Path, format: CorpusFormat, rows: &RowText) -> Result<Self, Error> {
        Self::read_held(path, format, rows, HELD)
    }

    /// As [`Corpus::read_as`], with JSON lines held that have up to so many bytes.
    pub(crate) fn read_held(
        path: &Path,
        format: CorpusFormat,
        rows: &RowText,
        held: u64,
    ) -> Result<Self, Error> {
        let corpus = match files(path)? {
            Some(files) => {
                let size = |file: &PathBuf| std::fs::metadata(file).map_or(0, |about| about.len());
                let is_large = files.iter().map(size).sum::<u64>() > held;
                let parts = files.iter().map(|file| Self::read_file(file, format, rows, is_large));
                Self::joined(path, rows, parts.collect::<Result<_, _>>()?)?
            }
            None => {
                let is_large = std::fs::metadata(path).is_ok_and(|about| about.len() > held);
                Self::read_file(path, format, rows, is_large)?
            }
        };
        match corpus.is_empty() {
            true => Err(Error::Empty { path: path.into() }),
            false => Ok(corpus),
        }
    }

    /// Texts one after the other, each ending its line, or the rows of all.
    fn joined(path: &Path, rows: &RowText, parts: Vec<Self>) -> Result<Self, Error> {
        let hashes: String = parts.iter().map(|part| format!("{}\n", part.sha256)).collect();
        let sha256 = sha256::hex(hashes.as_bytes());
        let all_text = parts.iter().all(Self::is_text);
        if !all_text && parts.iter().any(Self::is_text) {
            return Err(Error::TextAndRows { path: path.into() });
        }
        let all_large = parts.iter().all(|part| matches!(part.content, Content::Large(_)));
        let mut content = None;
        for part in parts {
            content = Some(match (content, part.content) {
                (None, first) if all_text || all_large => first,
                (Some(Content::Text(text)), Content::Text(more)) => Content::Text(below(text, &more)),
                (Some(Content::Large(mut lines)), Content::Large(more)) => {
                    lines.append(more);
                    Content::Large(lines)
                }
                (held, more) => {
                    let (mut rows, by_template) = held.map_or(Ok(Default::default()), Content::into_rows)?;
                    let (more, more_by_template) = more.into_rows()?;
                    rows.extend(more);
                    Content::Rows(rows, by_template || more_by_template)
                }
            });
        }
        let content = content.ok_or_else(|| Error::Empty { path: path.into() })?;
        Ok(Self { path: path.into(), sha256, rows: rows.clone(), content })
    }

    fn read_file(path: &Path, format: CorpusFormat, rows: &RowText, is_large: bool) -> Result<Self, Error> {
        if is_large && is_plain_lines(path, format)? {
            let (lines, sha256) = LargeLines::read(path, rows)?;
            return Ok(Self {
                path: path.into(),
                sha256,
                rows: rows.clone(),
                content: Content::Large(lines),
            });
        }
        let bytes = read_bytes(path)?;
        let sha256 = sha256::hex(&bytes);
        let bytes = decompressed(bytes, path)?;
        let content = match told(&bytes, path, format)? {
            Found::Parquet => texts(&parquet_rows(bytes, path)?, rows, path)?.into(),
            Found::Csv(between) => texts(&csv_rows(&bytes, between, path)?, rows, path)?.into(),
            Found::Lines => read_lines(&utf8(bytes, path)?, rows, path)?.into(),
            Found::Array => read_array(&utf8(bytes, path)?, rows, path)?.into(),
            Found::Text => Content::Text(utf8(bytes, path)?),
        };
        Ok(Self { path: path.into(), sha256, rows: rows.clone(), content })
    }

    fn is_empty(&self) -> bool {
        match &self.content {
            Content::Text(text) => text.trim_start().is_empty(),
            Content::Rows(rows, _) => rows.iter().all(|row| row.trim_start().is_empty()),
            Content::Large(lines) => lines.total().filled == 0,
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file's bytes, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The field that is the text of each row, where one was given and there are rows.
    pub fn text_field(&self) -> Option<&str> {
        self.rows.name_of_field().filter(|_| !self.is_text())
    }

    /// SHA-256 of the chat template, where one made texts of the rows.
    pub fn template_sha256(&self) -> Option<&str> {
        self.rows.template_sha256().filter(|_| self.is_by_template())
    }

    /// Whether it is a plain text, whose rows are its lines.
    pub fn is_text(&self) -> bool {
        matches!(self.content, Content::Text(_))
    }

    /// Whether special tokens are in the text already, since a chat template made it.
    pub(crate) fn is_by_template(&self) -> bool {
        match &self.content {
            Content::Text(_) => false,
            Content::Rows(_, by_template) => *by_template,
            Content::Large(lines) => lines.by_template,
        }
    }

    /// The lines that are not held.
    pub(crate) fn large(&self) -> Option<&LargeLines> {
        match &self.content {
            Content::Large(lines) => Some(lines),
            _ => None,
        }
    }

    /// The first `share` of the rows and the rest, for calibrating and evaluating on one file.
    ///
    /// # Errors
    /// [`Error::Empty`] where one of the two would have no text, and those of [`Corpus::rows`].
    pub fn split(&self, share: f64) -> Result<(Self, Self), Error> {
        let rows = self.rows().map(|row| row.map(Cow::into_owned)).collect::<Result<Vec<String>, _>>()?;
        let at = ((rows.len() as f64 * share).round() as usize).min(rows.len());
        let part = |rows: &[String], name: &str| {
            if rows.iter().all(|row| row.trim().is_empty()) {
                return Err(Error::Empty { path: self.path.clone() });
            }
            let content = match &self.content {
                Content::Text(_) => Content::Text(rows.join("\n")),
                _ => Content::Rows(rows.to_vec(), self.is_by_template()),
            };
            let path = PathBuf::from(format!("{} ({name} of the rows)", self.path.display()));
            Ok(Self { path, sha256: self.sha256.clone(), rows: self.rows.clone(), content })
        };
        let first = part(&rows[..at], &format!("the first {share}"))?;
        Ok((first, part(&rows[at..], &format!("all after the first {share}"))?))
    }

    /// The rows: a text's lines, or each JSON row's text. Those that are not held are read anew.
    ///
    /// # Errors
    /// As items, [`Error::Changed`] and those of reading the file.
    pub fn rows(&self) -> Box<dyn Iterator<Item = Result<Cow<'_, str>, Error>> + '_> {
        match &self.content {
            Content::Text(text) => Box::new(text.lines().map(borrowed)),
            Content::Rows(rows, _) => Box::new(rows.iter().map(|row| borrowed(row))),
            Content::Large(lines) => Box::new(lines.texts().map(|text| text.map(Cow::Owned))),
        }
    }

    /// What of `join` stands in [`Corpus::text`]: nothing in a text file.
    pub(crate) fn join_of_text<'a>(&self, join: &'a str) -> &'a str {
        if self.is_text() { "" } else { join }
    }

    /// The whole text: a text file as it is, JSON rows with `join` between them.
    ///
    /// # Errors
    /// Those of [`Corpus::rows`].
    pub fn text(&self, join: &str) -> Result<Cow<'_, str>, Error> {
        Ok(match &self.content {
            Content::Text(text) => text.into(),
            Content::Rows(rows, _) => rows.join(join).into(),
            Content::Large(lines) => lines.joined(join, 0, u64::MAX)?.0.into(),
        })
    }

    /// The first `bytes` bytes of the text, or more, and whether that is all of it.
    pub(crate) fn start_of_text(&self, join: &str, bytes: u64) -> Result<(Cow<'_, str>, bool), Error> {
        match &self.content {
            Content::Large(lines) if bytes < lines.length(join) => {
                let (text, _) = lines.joined(join, 0, bytes)?;
                let is_all = text.len() as u64 >= lines.length(join);
                Ok((text.into(), is_all))
            }
            _ => Ok((self.text(join)?, true)),
        }
    }
}

impl Content {
    fn into_rows(self) -> Result<(Vec<String>, bool), Error> {
        match self {
            Self::Text(text) => Ok((text.lines().map(String::from).collect(), false)),
            Self::Rows(rows, by_template) => Ok((rows, by_template)),
            Self::Large(lines) => Ok((lines.texts().collect::<Result<_, _>>()?, lines.by_template)),
        }
    }
}

impl From<Texts> for Content {
    fn from(texts: Texts) -> Self {
        Self::Rows(texts.rows, texts.by_template)
    }
}

/// A text below another, which ends its line.
fn below(mut text: String, more: &str) -> String {
    let ends_line = text.is_empty() || text.ends_with('\n');
    text += if ends_line { "" } else { "\n" };
    text + more
}

/// The bytes of a file, or of standard input where it is `-`.
fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let mut bytes = Vec::new();
    let read = match path.as_os_str() == "-" {
        true if TAKEN.swap(true, Ordering::Relaxed) => return Err(Error::StdinTwice),
        true => std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes),
        false => dress_core::files::read(path),
    };
    read.map_err(|cause| Error::Io { path: path.into(), cause })
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

#[cfg(test)]
pub(crate) mod tests;
