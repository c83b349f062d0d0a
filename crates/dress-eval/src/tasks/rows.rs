//! The rows of a data set's file.

use super::template::Row;
use crate::Error;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// All rows of a file, with the file's hash.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// The rows, in the file's order.
    pub rows: Vec<Row>,
}

impl Rows {
    /// Reads a JSONL, JSON or Parquet file. Labels that the authors distribute apart, in `X-labels.lst`
    /// beside `X.jsonl`, become the `label` of rows that have none.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::MalformedRow`] and [`Error::Parquet`]; [`Error::LabelCount`];
    /// [`Error::EmptySplit`] where there is no row.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let io = |cause| Error::Io { path: path.into(), cause };
        let bytes = dress_core::files::read(path).map_err(io)?;
        let mut hash = Sha256::new();
        hash.update(&bytes);
        let mut rows = match path.extension().and_then(|ending| ending.to_str()) {
            Some("parquet") => parquet_rows(bytes, path)?,
            Some("json") => array(&bytes, path)?,
            _ => lines(&bytes, path)?,
        };
        let labels = path.with_file_name(format!(
            "{}-labels.lst",
            path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default()
        ));
        if labels.is_file() {
            let text = dress_core::files::read_to_string(&labels)
                .map_err(|cause| Error::Io { path: labels.clone(), cause })?;
            hash.update(text.as_bytes());
            add_labels(&mut rows, &text, &labels)?;
        }
        if rows.is_empty() {
            return Err(Error::EmptySplit { path: path.into() });
        }
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { path: path.into(), sha256, rows })
    }
}

fn lines(bytes: &[u8], path: &Path) -> Result<Vec<Row>, Error> {
    let malformed = |row, reason: String| Error::MalformedRow { path: path.into(), row, reason };
    let text = str::from_utf8(bytes).map_err(|error| {
        let row = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
        malformed(row, "it is not UTF-8".into())
    })?;
    let filled = text.trim_start_matches('\u{feff}').split('\n').enumerate();
    let filled = filled.filter(|(_, line)| !line.trim().is_empty());
    filled
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| malformed(index + 1, error.to_string()))
        })
        .collect()
}

fn array(bytes: &[u8], path: &Path) -> Result<Vec<Row>, Error> {
    let malformed = |error: serde_json::Error| Error::MalformedRow {
        path: path.into(),
        row: 1,
        reason: error.to_string(),
    };
    serde_json::from_slice(bytes).map_err(malformed)
}

fn parquet_rows(bytes: Vec<u8>, path: &Path) -> Result<Vec<Row>, Error> {
    let failed = |error: parquet::errors::ParquetError| Error::Parquet {
        path: path.into(),
        reason: error.to_string(),
    };
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).map_err(failed)?;
    let rows = reader.get_row_iter(None).map_err(failed)?;
    rows.enumerate()
        .map(|(index, row)| match row.map_err(failed)?.to_json_value() {
            Value::Object(fields) => Ok(fields),
            other => {
                let reason = format!("expected fields, found {other}");
                Err(Error::MalformedRow { path: path.into(), row: index + 1, reason })
            }
        })
        .collect()
}

fn add_labels(rows: &mut [Row], text: &str, path: &Path) -> Result<(), Error> {
    let labels: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if labels.len() != rows.len() {
        return Err(Error::LabelCount { path: path.into(), labels: labels.len(), rows: rows.len() });
    }
    for (row, label) in rows.iter_mut().zip(labels) {
        row.entry("label").or_insert_with(|| Value::String(label.into()));
    }
    Ok(())
}
