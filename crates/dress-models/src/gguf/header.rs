//! The header of a GGUF file: metadata and where each tensor lies.

use super::TensorType;
use super::cursor::Cursor;
use super::metadata_value::MetadataValue;
use super::tensor_info::{RawInfo, TensorInfo};
use std::collections::BTreeMap;

const MAGIC: &[u8; 4] = b"GGUF";
const DEFAULT_ALIGNMENT: u64 = 32;

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
    /// The number of the type that each value of the metadata is written in.
    pub(super) written: BTreeMap<&'a str, u32>,
    /// Tensors by name.
    pub tensors: BTreeMap<&'a str, TensorInfo>,
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
        let (mut metadata, mut written) = (BTreeMap::new(), BTreeMap::new());
        for _ in 0..entries {
            let key = cursor.text()?;
            let kind = cursor.u32()?;
            written.insert(key, kind);
            if metadata.insert(key, MetadataValue::read(&mut cursor, kind)?).is_some() {
                return Err(format!("its metadata has `{key}` twice").into());
            }
        }
        let alignment = match (metadata.get("general.alignment"), written.get("general.alignment")) {
            (Some(value), Some(4)) => {
                value.unsigned().filter(|a| a.is_power_of_two()).ok_or("a bad alignment")?
            }
            (Some(_), _) => return Err("its metadata has `general.alignment`, and not as u32".into()),
            (None, _) => DEFAULT_ALIGNMENT,
        };
        let mut infos = Vec::new();
        for _ in 0..tensors {
            infos.push((cursor.text()?, RawInfo::read(&mut cursor)?));
        }
        let data = (cursor.at as u64).checked_next_multiple_of(alignment).ok_or("a bad alignment")?;
        let (mut tensors, mut last) = (BTreeMap::new(), "");
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
            last = name;
        }
        check_end(file, data.saturating_add(expected), last)?;
        Ok(Self { metadata, written, tensors })
    }
}

/// Checks that nothing follows the last tensor: a type that makes it shorter shows only there, as nothing
/// comes after it.
fn check_end(file: &[u8], end: u64, last: &str) -> Result<(), String> {
    match (file.len() as u64).checked_sub(end) {
        None | Some(0) => Ok(()),
        Some(_) if last.is_empty() => Ok(()),
        Some(more) => Err(format!(
            "{more} bytes follow its last tensor `{last}`, which is of another type or shape than was written"
        )),
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
    fn a_last_tensor_of_a_shorter_type_is_an_error() {
        let mut bytes = file();
        bytes.extend([0; 8]);
        assert!(GgufHeader::parse(&bytes).is_ok(), "padded to the alignment");
        bytes.extend([0; 32]);
        let message = GgufHeader::parse(&bytes).unwrap_err().to_string();
        assert!(message.contains("32 bytes follow its last tensor `t`"), "{message}");
    }

    #[test]
    fn an_alignment_of_another_type_is_an_error() {
        for (kind, read) in [(4u32, true), (5, false), (10, false)] {
            let width = if kind == 10 { 8 } else { 4 };
            let key = [&17u64.to_le_bytes()[..], b"general.alignment", &kind.to_le_bytes()].concat();
            let mut bytes = b"GGUF".to_vec();
            bytes.extend(3u32.to_le_bytes());
            bytes.extend([0u64, 1].map(u64::to_le_bytes).concat());
            bytes.extend([key, 32u64.to_le_bytes()[..width].to_vec()].concat());
            assert_eq!(GgufHeader::parse(&bytes).is_ok(), read, "{kind}");
        }
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
