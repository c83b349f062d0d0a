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

#[cfg(test)]
mod tests {
    use crate::corpus::tests::rows;
    use crate::tokenizer::tests::words;
    use crate::{Corpus, CorpusFormat, RowText};
    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use std::path::Path;
    use std::sync::Arc;

    /// A Parquet file of two groups of rows with a number and two texts, of this kind.
    fn write(path: &Path, kind: &str) {
        let schema = format!(
            "message rows {{ required int64 id; optional binary text{kind}; optional binary body{kind}; }}"
        );
        let schema = Arc::new(parse_message_type(&schema).unwrap());
        let properties = WriterProperties::builder().set_compression(parquet::basic::Compression::SNAPPY);
        let file = std::fs::File::create(path).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties.build())).unwrap();
        for group in 0..2 {
            let mut columns = writer.next_row_group().unwrap();
            let mut column = columns.next_column().unwrap().unwrap();
            column.typed::<Int64Type>().write_batch(&[group, 7], None, None).unwrap();
            column.close().unwrap();
            for name in ["w1", "w5"] {
                let mut column = columns.next_column().unwrap().unwrap();
                let values = [ByteArray::from(format!("{name} é").as_str()), ByteArray::from("w2")];
                column.typed::<ByteArrayType>().write_batch(&values, Some(&[1, 1]), None).unwrap();
                column.close().unwrap();
            }
            columns.close().unwrap();
        }
        writer.close().unwrap();
    }

    #[test]
    fn a_parquet_file_gives_its_texts_whether_they_are_said_to_be_texts_or_not() {
        let at = tempfile::tempdir().unwrap();
        // The name says nothing.
        let path = at.path().join("train");
        for kind in [" (UTF8)", ""] {
            write(&path, kind);
            let corpus = Corpus::read(&path, CorpusFormat::Auto).unwrap();
            assert_eq!(rows(&corpus), ["w1 é", "w2", "w1 é", "w2"]);
            let body = RowText::default().field(Some("body")).chat_of(at.path(), &words());
            let corpus = Corpus::read_as(&path, CorpusFormat::Auto, &body).unwrap();
            assert_eq!((rows(&corpus)[0].as_str(), corpus.text_field()), ("w5 é", Some("body")));
            let id = RowText::default().field(Some("id"));
            let error = Corpus::read_as(&path, CorpusFormat::Auto, &id).unwrap_err().to_string();
            assert!(error.contains("`id` is a number") && error.contains("`body`"), "{error}");
        }
    }
}
