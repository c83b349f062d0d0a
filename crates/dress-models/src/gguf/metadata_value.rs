//! The values of GGUF metadata.

use super::cursor::Cursor;

/// One value of the metadata.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetadataValue<'a> {
    /// Any unsigned integer.
    Unsigned(u64),
    /// Any signed integer.
    Signed(i64),
    /// Either float.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(&'a str),
    /// A list.
    Array(MetadataArray<'a>),
}

/// A list that was walked but not copied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetadataArray<'a> {
    pub(super) kind: u32,
    pub(super) len: u64,
    pub(super) bytes: &'a [u8],
}

impl<'a> MetadataValue<'a> {
    /// Reads a value of ggml's type `kind`.
    pub(super) fn read(cursor: &mut Cursor<'a>, kind: u32) -> Result<Self, String> {
        use MetadataValue::{Array, Bool, Float, Signed, Text, Unsigned};
        Ok(match kind {
            0 => Unsigned(cursor.number::<1>()?[0].into()),
            1 => Signed(i8::from_le_bytes(cursor.number()?).into()),
            2 => Unsigned(u16::from_le_bytes(cursor.number()?).into()),
            3 => Signed(i16::from_le_bytes(cursor.number()?).into()),
            4 => Unsigned(cursor.u32()?.into()),
            5 => Signed(i32::from_le_bytes(cursor.number()?).into()),
            6 => Float(f32::from_le_bytes(cursor.number()?).into()),
            7 => Bool(cursor.number::<1>()?[0] != 0),
            8 => Text(cursor.text()?),
            9 => Array(MetadataArray::read(cursor)?),
            10 => Unsigned(cursor.u64()?),
            11 => Signed(i64::from_le_bytes(cursor.number()?)),
            12 => Float(f64::from_le_bytes(cursor.number()?)),
            _ => return Err(format!("its header has a value of the unknown type {kind}")),
        })
    }

    /// The value as an unsigned integer, where it is one.
    pub fn unsigned(self) -> Option<u64> {
        match self {
            MetadataValue::Unsigned(value) => Some(value),
            MetadataValue::Signed(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// The value as a float, where it is a number.
    pub fn float(self) -> Option<f64> {
        match self {
            MetadataValue::Float(value) => Some(value),
            MetadataValue::Unsigned(value) => Some(value as f64),
            MetadataValue::Signed(value) => Some(value as f64),
            _ => None,
        }
    }

    /// The value as a text, where it is one.
    pub fn text(self) -> Option<&'a str> {
        if let MetadataValue::Text(text) = self { Some(text) } else { None }
    }

    /// The value as a truth value, where it is one.
    pub fn bool(self) -> Option<bool> {
        if let MetadataValue::Bool(value) = self { Some(value) } else { None }
    }

    /// The value as a list, where it is one.
    pub fn array(self) -> Option<MetadataArray<'a>> {
        if let MetadataValue::Array(array) = self { Some(array) } else { None }
    }
}

impl<'a> MetadataArray<'a> {
    /// Lists of lists are in no published file and would let a short file nest deeply.
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, String> {
        let (kind, len) = (cursor.u32()?, cursor.u64()?);
        let start = cursor.at;
        match kind {
            0..=7 | 10..=12 => {
                let size = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8][kind as usize];
                cursor.take(len.checked_mul(size).ok_or("a list in its header is too long")?)?;
            }
            8 => {
                for _ in 0..len {
                    cursor.text()?;
                }
            }
            _ => return Err(format!("its header has a list of the unknown type {kind}")),
        }
        Ok(Self { kind, len, bytes: &cursor.bytes[start..cursor.at] })
    }

    /// The number of elements.
    pub fn len(self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The elements, in order.
    pub fn iter(self) -> impl Iterator<Item = MetadataValue<'a>> {
        let mut cursor = Cursor { bytes: self.bytes, at: 0 };
        // Parsing has walked the same bytes without an error.
        (0..self.len).map_while(move |_| MetadataValue::read(&mut cursor, self.kind).ok())
    }
}
