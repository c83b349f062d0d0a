//! The header of a GGUF file: metadata and where each tensor lies.

use super::TensorType;
use std::collections::BTreeMap;

const MAGIC: &[u8; 4] = b"GGUF";
const DEFAULT_ALIGNMENT: u64 = 32;
const MAX_DIMENSIONS: u32 = 4;

/// Why a header is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GgufHeaderError {
    /// It does not hold.
    #[error("{reason}")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// It may hold, and has a kind of tensor that ggml has had or will have.
    #[error(
        "tensor `{tensor}` is of ggml's type {id}, which is not read; use the Hugging Face checkpoint, or a GGUF file in F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K or Q6_K"
    )]
    TypeNotRead {
        /// The tensor.
        tensor: String,
        /// The number of its type.
        id: u32,
    },
}

impl From<String> for GgufHeaderError {
    fn from(reason: String) -> Self {
        Self::Damaged { reason }
    }
}

impl From<&str> for GgufHeaderError {
    fn from(reason: &str) -> Self {
        reason.to_string().into()
    }
}

/// A parsed header, borrowed from the file's bytes.
#[derive(Debug)]
pub struct GgufHeader<'a> {
    /// Metadata by key.
    pub metadata: BTreeMap<&'a str, MetadataValue<'a>>,
    /// Tensors by name.
    pub tensors: BTreeMap<&'a str, TensorInfo>,
}

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
    kind: u32,
    len: u64,
    bytes: &'a [u8],
}

/// Where a tensor lies and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Extents, outermost first (the file has them innermost first).
    pub shape: Vec<usize>,
    /// How its numbers are written.
    pub kind: TensorType,
    /// The first byte, counted from the start of the file.
    pub start: usize,
    /// How many bytes.
    pub len: usize,
}

impl<'a> GgufHeader<'a> {
    /// Reads the header of a whole file.
    ///
    /// # Errors
    /// [`GgufHeaderError::Damaged`] where the bytes are not a GGUF file of version 2 or 3, and
    /// [`GgufHeaderError::TypeNotRead`].
    pub fn parse(file: &'a [u8]) -> Result<Self, GgufHeaderError> {
        let mut cursor = Cursor { bytes: file, at: 0 };
        if cursor.take(4)? != MAGIC {
            return Err("it does not start with GGUF".into());
        }
        let version = cursor.u32()?;
        if !(2..=3).contains(&version) {
            return Err(format!("version {version} is not read, only 2 and 3").into());
        }
        let (tensors, entries) = (cursor.u64()?, cursor.u64()?);
        let mut metadata = BTreeMap::new();
        for _ in 0..entries {
            let key = cursor.text()?;
            let kind = cursor.u32()?;
            if metadata.insert(key, cursor.value(kind)?).is_some() {
                return Err(format!("its metadata has `{key}` twice").into());
            }
        }
        let alignment = match metadata.get("general.alignment") {
            Some(value) => value.unsigned().filter(|a| a.is_power_of_two()).ok_or("a bad alignment")?,
            None => DEFAULT_ALIGNMENT,
        };
        let mut infos = Vec::new();
        for _ in 0..tensors {
            infos.push((cursor.text()?, cursor.tensor_info()?));
        }
        let data = (cursor.at as u64).checked_next_multiple_of(alignment).ok_or("a bad alignment")?;
        let mut tensors = BTreeMap::new();
        let mut expected = 0u64;
        for (name, raw) in infos {
            let kind = TensorType::from_id(raw.kind)
                .ok_or_else(|| GgufHeaderError::TypeNotRead { tensor: name.into(), id: raw.kind })?;
            let offset = raw.offset;
            let info =
                raw.place(kind, data, file.len() as u64).map_err(|what| format!("tensor `{name}` {what}"))?;
            // As in llama.cpp: whatever overlaps, leaves a hole or has another size than was written shows here.
            if offset != expected {
                let reason = format!(
                    "tensor `{name}` is at {offset} of the data, and those before it end at {expected}"
                );
                return Err(reason.into());
            }
            let padded = (info.len as u64).checked_next_multiple_of(alignment);
            expected = padded.and_then(|len| offset.checked_add(len)).ok_or("a bad alignment")?;
            if tensors.insert(name, info).is_some() {
                return Err(format!("tensor `{name}` is there twice").into());
            }
        }
        Ok(Self { metadata, tensors })
    }
}

impl<'a> MetadataValue<'a> {
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
        (0..self.len).map_while(move |_| cursor.value(self.kind).ok())
    }
}

struct RawInfo {
    shape: Vec<usize>,
    elements: u64,
    kind: u32,
    offset: u64,
}

impl RawInfo {
    fn place(self, kind: TensorType, data: u64, file: u64) -> Result<TensorInfo, String> {
        if self.shape.len() < 2 && kind.block() > 1 {
            return Err("is a vector in blocks, as no program writes them".into());
        }
        let row = *self.shape.last().unwrap_or(&1);
        if !row.is_multiple_of(kind.block()) {
            return Err(format!("has rows of {row}, which are no whole blocks of {}", kind.block()));
        }
        let blocks = self.elements / kind.block() as u64;
        let len = blocks.checked_mul(kind.block_bytes() as u64).ok_or("is too large")?;
        let start = data.checked_add(self.offset).ok_or("lies beyond the file")?;
        match start.checked_add(len) {
            Some(end) if end <= file => {}
            _ => return Err(format!("of {len} bytes at {start} lies beyond the file of {file}")),
        }
        Ok(TensorInfo { shape: self.shape, kind, start: start as usize, len: len as usize })
    }
}

/// Reads from the front of some bytes and never beyond them.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: u64) -> Result<&'a [u8], String> {
        let left = self.bytes.len() - self.at;
        if len > left as u64 {
            return Err(format!("it ends after {} bytes, in the middle of its header", self.bytes.len()));
        }
        let start = self.at;
        self.at += len as usize;
        Ok(&self.bytes[start..self.at])
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.take(N as u64)?;
        Ok(bytes.try_into().expect("as many bytes as were taken"))
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.number().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.number().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<&'a str, String> {
        let len = self.u64()?;
        std::str::from_utf8(self.take(len)?).map_err(|_| "a text in its header is not UTF-8".into())
    }

    fn value(&mut self, kind: u32) -> Result<MetadataValue<'a>, String> {
        use MetadataValue::{Array, Bool, Float, Signed, Text, Unsigned};
        Ok(match kind {
            0 => Unsigned(self.number::<1>()?[0].into()),
            1 => Signed(i8::from_le_bytes(self.number()?).into()),
            2 => Unsigned(u16::from_le_bytes(self.number()?).into()),
            3 => Signed(i16::from_le_bytes(self.number()?).into()),
            4 => Unsigned(self.u32()?.into()),
            5 => Signed(i32::from_le_bytes(self.number()?).into()),
            6 => Float(f32::from_le_bytes(self.number()?).into()),
            7 => Bool(self.number::<1>()?[0] != 0),
            8 => Text(self.text()?),
            9 => Array(self.array()?),
            10 => Unsigned(self.u64()?),
            11 => Signed(i64::from_le_bytes(self.number()?)),
            12 => Float(f64::from_le_bytes(self.number()?)),
            _ => return Err(format!("its header has a value of the unknown type {kind}")),
        })
    }

    /// Lists of lists are in no published file and would let a short file nest deeply.
    fn array(&mut self) -> Result<MetadataArray<'a>, String> {
        let (kind, len) = (self.u32()?, self.u64()?);
        let start = self.at;
        match kind {
            0..=7 | 10..=12 => {
                let size = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8][kind as usize];
                self.take(len.checked_mul(size).ok_or("a list in its header is too long")?)?;
            }
            8 => {
                for _ in 0..len {
                    self.text()?;
                }
            }
            _ => return Err(format!("its header has a list of the unknown type {kind}")),
        }
        Ok(MetadataArray { kind, len, bytes: &self.bytes[start..self.at] })
    }

    fn tensor_info(&mut self) -> Result<RawInfo, String> {
        let dimensions = self.u32()?;
        if dimensions > MAX_DIMENSIONS {
            return Err(format!("a tensor of {dimensions} dimensions is in its header"));
        }
        let (mut shape, mut elements) = (Vec::new(), 1u64);
        for _ in 0..dimensions {
            let size = self.u64()?;
            if size == 0 {
                return Err("a tensor without numbers is in its header".into());
            }
            elements = elements.checked_mul(size).ok_or("a tensor in its header is too large")?;
            shape.insert(0, usize::try_from(size).map_err(|_| "a tensor in its header is too large")?);
        }
        Ok(RawInfo { shape, elements, kind: self.u32()?, offset: self.u64()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One key `n` of the value 7 and one f32 tensor `t` of the shape `[2, 3]`.
    fn file() -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend([1u64, 1].map(u64::to_le_bytes).concat());
        bytes.extend([&1u64.to_le_bytes()[..], b"n", &4u32.to_le_bytes(), &7u32.to_le_bytes()].concat());
        bytes.extend([&1u64.to_le_bytes()[..], b"t", &2u32.to_le_bytes()].concat());
        bytes.extend([3u64, 2].map(u64::to_le_bytes).concat());
        bytes.extend([&0u32.to_le_bytes()[..], &0u64.to_le_bytes()].concat());
        bytes.resize(bytes.len().next_multiple_of(32) + 24, 0);
        bytes
    }

    #[test]
    fn a_header_says_what_was_written() {
        let bytes = file();
        let header = GgufHeader::parse(&bytes).unwrap();
        assert_eq!(header.metadata["n"].unsigned(), Some(7));
        let tensor = &header.tensors["t"];
        assert_eq!((tensor.shape.as_slice(), tensor.len), ([2, 3].as_slice(), 24));
        assert_eq!(tensor.start + tensor.len, bytes.len());
    }

    #[test]
    fn a_key_that_is_there_twice_is_an_error() {
        let mut bytes = file();
        bytes[16] = 2;
        let entry = [&1u64.to_le_bytes()[..], b"n", &4u32.to_le_bytes(), &7u32.to_le_bytes()].concat();
        bytes.splice(24..24, entry);
        assert!(GgufHeader::parse(&bytes).unwrap_err().to_string().contains("`n` twice"));
    }

    #[test]
    fn a_tensor_that_does_not_follow_the_one_before_is_an_error() {
        let mut bytes = file();
        let at = bytes.windows(16).rposition(|w| w == [3u64, 2].map(u64::to_le_bytes).concat()).unwrap() + 20;
        bytes[at] = 32;
        bytes.extend([0; 32]);
        assert!(GgufHeader::parse(&bytes).unwrap_err().to_string().contains("is at 32 of the data"));
    }

    #[test]
    fn every_cut_of_a_file_is_an_error() {
        let bytes = file();
        (0..bytes.len()).for_each(|len| assert!(GgufHeader::parse(&bytes[..len]).is_err(), "{len}"));
    }

    #[test]
    fn a_tensor_of_2_to_the_60_elements_is_an_error() {
        let mut bytes = file();
        let at = bytes.windows(8).rposition(|w| w == 3u64.to_le_bytes()).unwrap();
        bytes[at..at + 8].copy_from_slice(&(1u64 << 60).to_le_bytes());
        let message = GgufHeader::parse(&bytes).unwrap_err().to_string();
        assert!(message.contains("beyond the file") || message.contains("too large"), "{message}");
    }

    #[test]
    fn a_tensor_of_0_rows_of_2_to_the_60_is_an_error() {
        let mut bytes = file();
        let at = bytes.windows(16).rposition(|w| w == [3u64, 2].map(u64::to_le_bytes).concat()).unwrap();
        bytes[at..at + 16].copy_from_slice(&[1u64 << 60, 0].map(u64::to_le_bytes).concat());
        let message = GgufHeader::parse(&bytes).unwrap_err().to_string();
        assert!(message.contains("without numbers"), "{message}");
    }

    #[test]
    fn a_type_that_ggml_may_have_is_not_called_damage() {
        let mut bytes = file();
        let shape = [3u64, 2].map(u64::to_le_bytes).concat();
        let at = bytes.windows(16).rposition(|w| w == shape).unwrap() + 16;
        bytes[at] = 77;
        let error = GgufHeader::parse(&bytes).unwrap_err();
        assert_eq!(error, GgufHeaderError::TypeNotRead { tensor: "t".into(), id: 77 });
        assert!(error.to_string().contains("use the Hugging Face checkpoint"));
    }
}
