//! The rows of one tensor in its file.

use super::FloatType;
use super::positional::read_at;
use super::safetensors_reader::TensorPlace;
use crate::Error;
use std::ops::Range;

/// A tensor in a file, seen as a matrix: its first dimension, and all others side by side.
pub(super) struct TensorRows<'a> {
    pub name: &'a str,
    pub from: &'a TensorPlace<'a>,
    pub element: FloatType,
    pub rows: usize,
    pub columns: usize,
}

impl<'a> TensorRows<'a> {
    /// The tensor that lies at `from`; `name` is only named in errors.
    ///
    /// # Errors
    /// [`Error::TensorType`] where it does not hold floats.
    pub fn new(name: &'a str, from: &'a TensorPlace<'a>) -> Result<Self, Error> {
        let Some(element) = FloatType::from_safetensors(from.dtype) else {
            let (file, found) = (from.path.into(), format!("{:?}", from.dtype));
            return Err(Error::TensorType { file, tensor: name.into(), found });
        };
        let (rows, columns) = match from.shape {
            [rows, rest @ ..] => (*rows, rest.iter().product()),
            [] => (1, 1),
        };
        Ok(Self { name, from, element, rows, columns })
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.columns * self.element.size()
    }

    /// All rows in stretches of `step`.
    pub fn stretches(&self, step: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = self.rows;
        (0..rows).step_by(step).map(move |start| start..(start + step).min(rows))
    }

    /// Reads `rows` into `bytes`, whose length becomes theirs.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(&self, rows: Range<usize>, bytes: &mut Vec<u8>) -> Result<(), Error> {
        bytes.resize(rows.len() * self.row_bytes(), 0);
        let start = self.from.start + (rows.start * self.row_bytes()) as u64;
        read_at(self.from.file, bytes, start).map_err(Error::io(self.from.path, "cannot be read"))
    }

    /// That the number with index `at` of `bytes`, which start at row `first`, is NaN or infinite.
    pub fn not_finite(&self, first: usize, at: usize, bytes: &[u8]) -> Error {
        Error::NotFinite {
            file: self.from.path.into(),
            tensor: self.name.into(),
            index: first * self.columns + at,
            value: self.element.read(&bytes[at * self.element.size()..]),
        }
    }
}
