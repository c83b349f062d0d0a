//! What a file is, told from its first bytes.

use crate::Error;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

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

/// Bytes that tell a file's kind, but for its first line.
const HEAD: usize = 512;

/// What stands in a file once it is decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Text,
    Lines,
    Array,
    /// Values between these bytes, below a line of names.
    Csv(u8),
    Parquet,
}

/// Kinds that are not read, by their first bytes.
const REFUSED: [(&[u8], &str); 13] = [
    (b"BZh", "a bzip2 archive; decompress it with bunzip2"),
    (b"\xfd7zXZ\0", "an xz archive; decompress it with unxz"),
    (b"\x04\x22\x4d\x18", "an lz4 archive; decompress it with unlz4"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; extract it and give the file inside"),
    (b"PK\x03\x04", "a zip archive; extract it and give the file inside"),
    (b"ARROW1", "an Arrow file; save it with datasets' to_parquet or to_json"),
    (
        b"\xff\xff\xff\xff",
        "an Arrow stream, as datasets caches them; save it with datasets' to_parquet or to_json",
    ),
    (b"Obj\x01", "an Avro file; convert it to Parquet or JSON lines"),
    (b"ORC", "an ORC file; convert it to Parquet or JSON lines"),
    (b"SQLite format 3", "an SQLite database; write its texts as JSON lines"),
    (b"%PDF", "a PDF; extract its text first"),
    (b"GGUF", "a GGUF model, not a text; give a corpus"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file; fetch it with `git lfs pull`"),
];

/// The bytes of a file, decompressed where they are gzip or zstd, twice at most.
pub(crate) fn decompressed(mut bytes: Vec<u8>, path: &Path) -> Result<Vec<u8>, Error> {
    for _ in 0..2 {
        let mut plain = Vec::new();
        let (kind, read) = match bytes.as_slice() {
            [0x1f, 0x8b, ..] => {
                ("gzip", flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain))
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                ("zstd", zstd::Decoder::new(&bytes[..]).and_then(|mut zstd| zstd.read_to_end(&mut plain)))
            }
            _ => break,
        };
        read.map_err(|cause| Error::Compressed { path: path.into(), kind, cause })?;
        bytes = plain;
    }
    Ok(bytes)
}

/// What decompressed bytes are. The file's name decides only what the bytes leave open.
pub(crate) fn told(bytes: &[u8], path: &Path, format: CorpusFormat) -> Result<Found, Error> {
    match format {
        CorpusFormat::Text => return Ok(Found::Text),
        CorpusFormat::Jsonl => return Ok(Found::Lines),
        CorpusFormat::Json => return Ok(Found::Array),
        CorpusFormat::Auto => {}
    }
    if let Some((_, what)) = REFUSED.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(Error::NoCorpus { path: path.into(), what });
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Err(Error::NoCorpus {
            path: path.into(),
            what: "a tar archive; extract it and give the files",
        });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let begins = bytes.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    Ok(if bytes.starts_with(b"PAR1") || ends(&[".parquet"]) {
        Found::Parquet
    } else if ends(&[".csv", ".tsv"]) {
        Found::Csv(if ends(&[".tsv"]) { b'\t' } else { separator(first_line(bytes)).unwrap_or(b',') })
    } else if ends(&[".jsonl", ".ndjson", ".json"]) {
        match begins {
            Some(b'{') if is_object(first_line(bytes)) || !ends(&[".json"]) => Found::Lines,
            Some(b'[') => Found::Array,
            _ if ends(&[".json"]) => Found::Array,
            _ => Found::Lines,
        }
    } else if has_text(first_line(bytes)) {
        Found::Lines
    } else {
        separator(first_line(bytes)).map_or(Found::Text, Found::Csv)
    })
}

/// Whether a file holds JSON lines that are not compressed, told without reading all of it.
pub(crate) fn is_plain_lines(path: &Path, format: CorpusFormat) -> Result<bool, Error> {
    let io = |cause| Error::Io { path: path.into(), cause };
    // What is no file can be read only once.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Ok(false);
    }
    let mut reader = BufReader::new(File::open(path).map_err(io)?);
    let mut head = Vec::new();
    while head.len() < HEAD || head.trim_ascii().is_empty() {
        if reader.read_until(b'\n', &mut head).map_err(io)? == 0 {
            break;
        }
    }
    let compressed = [&b"\x1f\x8b"[..], b"\x28\xb5\x2f\xfd"].iter().any(|magic| head.starts_with(magic));
    let skippable = head.get(1..4) == Some(b"\x2a\x4d\x18");
    Ok(!compressed && !skippable && matches!(told(&head, path, format), Ok(Found::Lines)))
}

fn first_line(bytes: &[u8]) -> &[u8] {
    let filled = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
    bytes[filled..].split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii()
}

fn is_object(line: &[u8]) -> bool {
    serde_json::from_slice::<Map<String, Value>>(line).is_ok()
}

/// Whether a line is a row of JSON as corpora hold them, whatever the file is called.
fn has_text(line: &[u8]) -> bool {
    let row = serde_json::from_slice::<Map<String, Value>>(line);
    row.is_ok_and(|row| {
        ["text", "sentence", "instruction", "messages"].iter().any(|key| row.contains_key(*key))
    })
}

/// What separates the names of columns, one of which is `text`, where a line is such names.
fn separator(line: &[u8]) -> Option<u8> {
    [b',', b'\t', b';'].into_iter().find(|&between| {
        let names: Option<Vec<&[u8]>> = line.split(|&byte| byte == between).map(column).collect();
        names.is_some_and(|names| names.len() > 1 && names.contains(&&b"text"[..]))
    })
}

/// The name of a column without its quotes, where it can be one.
fn column(name: &[u8]) -> Option<&[u8]> {
    let name = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name);
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte)).then_some(name)
}
