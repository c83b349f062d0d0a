//! Rows of CSV and Parquet files, as objects.

use crate::Error;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Map, Value};
use std::path::Path;

/// The rows of a CSV file with a line of names.
pub(crate) fn csv_rows(bytes: &[u8], between: u8, path: &Path) -> Result<Vec<Map<String, Value>>, Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let failed =
        |error: csv::Error| Error::Table { path: path.into(), kind: "CSV", reason: error.to_string() };
    let mut reader = csv::ReaderBuilder::new().delimiter(between).from_reader(bytes);
    let names = reader.headers().map_err(failed)?.clone();
    let row = |record: csv::StringRecord| {
        names.iter().zip(&record).map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
    };
    reader.records().map(|record| record.map(row).map_err(failed)).collect()
}

/// The rows of a Parquet file. Bytes that are UTF-8 are text, whether the schema says so or not.
pub(crate) fn parquet_rows(bytes: Vec<u8>, path: &Path) -> Result<Vec<Map<String, Value>>, Error> {
    let failed = |error: parquet::errors::ParquetError| Error::Table {
        path: path.into(),
        kind: "Parquet",
        reason: error.to_string(),
    };
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).map_err(failed)?;
    let rows = reader.get_row_iter(None).map_err(failed)?;
    rows.map(|row| {
        let row = row.map_err(failed)?;
        Ok(row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect())
    })
    .collect()
}

fn value(field: &Field) -> Value {
    match field {
        Field::Bytes(bytes) => match str::from_utf8(bytes.data()) {
            Ok(text) => text.into(),
            Err(_) => field.to_json_value(),
        },
        _ => field.to_json_value(),
    }
}
