//! JSON lines that are too long to hold.
//!
//! They are read once for the length of each text and the hash, and again wherever a text is wanted: memory
//! holds a mark for every so many bytes, and one line.

use crate::json_rows::{Extent, line_of, line_text, only_field};
use crate::{Error, RowText, sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes from which on lines are not held.
pub(crate) const HELD: u64 = 16 << 20;
/// Bytes of a file between two marks.
const BETWEEN: u64 = 128 << 10;
/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;
/// Bytes that a character has at most.
const CHARACTER: u64 = 4;

/// The lines of one or several files.
#[derive(Debug, Clone)]
pub(crate) struct LargeLines {
    files: Vec<Known>,
    rows: RowText,
    marks: Vec<Mark>,
    total: Counts,
    pub by_template: bool,
}

/// A file as it was when it was read first.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
}

/// Where a row begins, and what stands before it.
#[derive(Debug, Clone, Copy)]
struct Mark {
    file: usize,
    at: u64,
    /// Lines of the file before it.
    lines: usize,
    before: Counts,
}

/// Rows, rows with more than white space, and bytes of their texts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub rows: u64,
    pub filled: u64,
    pub bytes: u64,
}

impl Counts {
    fn add(&mut self, text: &Extent) {
        self.rows += 1;
        self.filled += u64::from(text.filled);
        self.bytes += text.bytes;
    }

    fn and(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            filled: self.filled + other.filled,
            bytes: self.bytes + other.bytes,
        }
    }

    /// Bytes before the next row, where `join` stands between two.
    fn joined(self, join: &str) -> u64 {
        self.bytes + self.rows * join.len() as u64
    }
}

impl LargeLines {
    /// Reads a file through, and its SHA-256.
    pub fn read(path: &Path, rows: &RowText) -> Result<(Self, String), Error> {
        let mut lines = Lines::open(Known::of(path)?, 0, 0)?;
        let mut hash = sha256::Stream::default();
        let (mut marks, mut total, mut by_template) = (Vec::new(), Counts::default(), false);
        let mut next_mark = 0;
        while lines.advance()? {
            hash.add(&lines.line);
            let text = lines.text()?;
            if text.trim().is_empty() {
                continue;
            }
            if lines.at >= next_mark {
                marks.push(Mark { file: 0, at: lines.at, lines: lines.number - 1, before: total });
                next_mark = lines.at + BETWEEN;
            }
            let extent = only_field(text, rows.usual_field());
            total.add(&match extent {
                Some(extent) => extent,
                None => {
                    let made = line_text(text, lines.number, rows, path)?;
                    by_template |= made.by_template;
                    Extent::of(&made.text)
                }
            });
        }
        let found = Self { files: vec![lines.file], rows: rows.clone(), marks, total, by_template };
        Ok((found, hash.hex()))
    }

    /// Adds the lines of other files behind.
    pub fn append(&mut self, other: Self) {
        let (files, before) = (self.files.len(), self.total);
        let moved = |mark: Mark| Mark { file: files + mark.file, before: before.and(mark.before), ..mark };
        self.marks.extend(other.marks.into_iter().map(moved));
        self.files.extend(other.files);
        self.total = before.and(other.total);
        self.by_template |= other.by_template;
    }

    /// How many rows there are, and what is in them.
    pub fn total(&self) -> Counts {
        self.total
    }

    /// The texts of all rows, in order.
    pub fn texts(&self) -> RowsFrom<'_> {
        self.texts_from(self.marks.first().copied())
    }

    /// The texts of the rows with more than white space, from one of them on.
    pub fn filled_from(&self, start: u64) -> impl Iterator<Item = Result<String, Error>> {
        let mark = self.marks[..self.marks.partition_point(|mark| mark.before.filled <= start)].last();
        let skip = start - mark.map_or(0, |mark| mark.before.filled);
        let filled =
            |text: &Result<String, Error>| text.as_ref().map_or(true, |text| !text.trim().is_empty());
        self.texts_from(mark.copied()).filter(filled).skip(skip as usize)
    }

    /// Bytes of all texts with `join` between them.
    pub fn length(&self, join: &str) -> u64 {
        self.total.joined(join).saturating_sub(join.len() as u64)
    }

    /// The texts with `join` between them, from the last mark before byte `from` up to byte `to` and the
    /// character that it is in; and the byte that this begins at.
    pub fn joined(&self, join: &str, from: u64, to: u64) -> Result<(String, u64), Error> {
        let after = self.marks.partition_point(|mark| mark.before.joined(join) <= from);
        let mark = self.marks[..after].last().copied();
        let begins = mark.map_or(0, |mark| mark.before.joined(join));
        let wanted = to.saturating_add(CHARACTER).saturating_sub(begins);
        let mut joined = String::new();
        for (index, text) in self.texts_from(mark).enumerate() {
            joined += if index > 0 { join } else { "" };
            joined += &text?;
            if joined.len() as u64 >= wanted {
                break;
            }
        }
        Ok((joined, begins))
    }

    fn texts_from(&self, mark: Option<Mark>) -> RowsFrom<'_> {
        RowsFrom { all: self, next: mark, lines: None }
    }
}

impl Known {
    fn of(path: &Path) -> Result<Self, Error> {
        let about = std::fs::metadata(path).map_err(|cause| Error::Io { path: path.into(), cause })?;
        Ok(Self { path: path.into(), bytes: about.len(), modified: about.modified().ok() })
    }
}

/// The texts of the rows from a mark on.
pub(crate) struct RowsFrom<'a> {
    all: &'a LargeLines,
    /// Where to go on, where no file is open.
    next: Option<Mark>,
    lines: Option<(usize, Lines)>,
}

impl RowsFrom<'_> {
    fn advance(&mut self) -> Result<Option<String>, Error> {
        loop {
            if let Some(mark) = self.next.take() {
                let file = &self.all.files[mark.file];
                if Known::of(&file.path)? != *file {
                    return Err(Error::Changed { path: file.path.clone() });
                }
                self.lines = Some((mark.file, Lines::open(file.clone(), mark.at, mark.lines)?));
            }
            let Some((file, lines)) = &mut self.lines else { return Ok(None) };
            if !lines.advance()? {
                // The first mark of the next file is where it begins.
                let after = *file + 1;
                self.next = self.all.marks.iter().find(|mark| mark.file >= after).copied();
                self.lines = None;
                continue;
            }
            let text = lines.text()?;
            if !text.trim().is_empty() {
                let made = line_text(text, lines.number, &self.all.rows, &lines.file.path)?;
                return Ok(Some(made.text));
            }
        }
    }
}

impl Iterator for RowsFrom<'_> {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.advance();
        if found.is_err() {
            (self.next, self.lines) = (None, None);
        }
        found.transpose()
    }
}

/// A file, line by line.
struct Lines {
    file: Known,
    reader: BufReader<File>,
    line: Vec<u8>,
    /// Where the line begins.
    at: u64,
    /// Its number, from 1.
    number: usize,
}

impl Lines {
    fn open(file: Known, at: u64, number: usize) -> Result<Self, Error> {
        let io = |cause| Error::Io { path: file.path.clone(), cause };
        let mut opened = File::open(&file.path).map_err(io)?;
        opened.seek(SeekFrom::Start(at)).map_err(io)?;
        let reader = BufReader::with_capacity(CHUNK, opened);
        Ok(Self { file, reader, line: Vec::new(), at, number })
    }

    /// Goes to the next line; false at the end.
    fn advance(&mut self) -> Result<bool, Error> {
        self.at += self.line.len() as u64;
        self.line.clear();
        self.number += 1;
        let read = self.reader.read_until(b'\n', &mut self.line);
        let read = read.map_err(|cause| Error::Io { path: self.file.path.clone(), cause })?;
        Ok(read > 0)
    }

    fn text(&self) -> Result<&str, Error> {
        let not_utf8 = |offset| Error::NotUtf8 { path: self.file.path.clone(), offset };
        let text = line_of(&self.line, self.at).map_err(not_utf8)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        Ok(text.strip_suffix('\r').unwrap_or(text))
    }
}
