//! A GGUF file as the Hugging Face checkpoint it was made from.

use super::config::config_json;
use super::family::GgufFamily;
use super::parts::{Parts, unsupported};
use super::tensor_part::TensorPart;
use super::tokenizer_config::tokenizer_config_json;
use super::{TensorInfo, TensorType, tokenizer};
use crate::checkpoint::{FloatType, RawTensor};
use crate::{Error, experts};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// A memory-mapped GGUF file of a family that is built, its tensors under their Hugging Face names.
#[derive(Debug)]
pub struct GgufCheckpoint {
    files: Parts,
    tensors: BTreeMap<String, TensorPart>,
}

impl GgufCheckpoint {
    /// Opens a file, with the other parts of a split model beside its first, and finds every tensor's place
    /// in the Hugging Face checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Gguf`], [`Error::GgufUnsupported`], and [`Error::Experts`] where the model is
    /// one of experts.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let files = Parts::open(path)?;
        let header = files.header()?;
        if let Some(found) = experts::in_gguf(&header) {
            return Err(Error::Experts { path: path.into(), found });
        }
        let family = GgufFamily::of(&header).map_err(unsupported(path))?;
        let tensors = family.tensors(&header).map_err(unsupported(path))?;
        Ok(Self { files, tensors })
    }

    /// The `config.json` that the metadata makes.
    ///
    /// # Errors
    /// [`Error::GgufUnsupported`] where something is missing or not built.
    pub fn config_json(&self) -> Result<String, Error> {
        let bytes = |info: &TensorInfo| self.files.bytes(info);
        config_json(&self.files.header()?, &bytes).map_err(unsupported(self.path()))
    }

    /// The `tokenizer.json` that the metadata makes.
    ///
    /// # Errors
    /// [`Error::GgufUnsupported`] where its kind is not one that is known.
    pub fn tokenizer_json(&self) -> Result<String, Error> {
        tokenizer::tokenizer_json(&self.files.header()?).map_err(unsupported(self.path()))
    }

    /// The `tokenizer_config.json` that the metadata makes: the names of special tokens, and the chat
    /// template.
    ///
    /// # Errors
    /// [`Error::GgufUnsupported`] as for [`tokenizer_json`](Self::tokenizer_json).
    pub fn tokenizer_config_json(&self) -> Result<String, Error> {
        tokenizer_config_json(&self.files.header()?).map_err(unsupported(self.path()))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.files.path()
    }

    /// The Hugging Face names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The float type that most of the bytes have; none where most are quantized.
    pub fn float_type(&self) -> Option<FloatType> {
        let parts = self.tensors.values();
        FloatType::of_most_bytes(parts.map(|part| (float_type(part.info.kind), part.info.len as u64)))
    }

    /// The bytes of the largest file, where there are several.
    pub(crate) fn largest_part(&self) -> Option<u64> {
        self.files.largest_part()
    }

    /// One tensor, dequantized where it has to be, if there is one of that name.
    ///
    /// # Errors
    /// None so far: what a tensor needs has been checked on opening.
    pub fn get(&self, name: &str) -> Result<Option<RawTensor<'_>>, Error> {
        let Some(part) = self.tensors.get(name) else { return Ok(None) };
        let TensorInfo { kind, len, .. } = part.info;
        let (shape, whole) = (part.shape(), self.files.bytes(&part.info));
        let rows = part.info.shape.first().copied().unwrap_or(1).max(1);
        let row_bytes = len / rows;
        let bytes = &whole[part.rows.start * row_bytes..part.rows.end * row_bytes];
        let file = self.files.file_of(&part.info).to_path_buf();
        let element_name = format!("{kind:?}");
        let (element, bytes) = match (float_type(kind), kind.dequantize(bytes)) {
            (Some(element), _) => (Some(element), Cow::Borrowed(bytes)),
            (None, Some(numbers)) => {
                let bytes = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
                (Some(FloatType::F32), Cow::Owned(bytes))
            }
            (None, None) => (None, Cow::Borrowed(bytes)),
        };
        let (element, bytes) = match element.filter(|_| part.one_more) {
            Some(element) => (Some(FloatType::F32), Cow::Owned(one_less(element, &bytes))),
            None => (element, bytes),
        };
        Ok(Some(RawTensor { file, element, element_name, shape, bytes: part.in_order(bytes) }))
    }
}

/// The same numbers less one, in f32.
fn one_less(element: FloatType, bytes: &[u8]) -> Vec<u8> {
    let numbers = bytes.chunks_exact(element.size()).map(|number| element.read(number) - 1.0);
    numbers.flat_map(f32::to_le_bytes).collect()
}

fn float_type(kind: TensorType) -> Option<FloatType> {
    match kind {
        TensorType::F32 => Some(FloatType::F32),
        TensorType::F16 => Some(FloatType::F16),
        TensorType::Bf16 => Some(FloatType::Bf16),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::written::{Entry, header_of};
    use super::*;

    #[test]
    fn a_file_of_experts_is_refused_by_the_sentence_that_says_so_whatever_its_architecture() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("model.gguf");
        let tried = |architecture: &str, count: u32| {
            let key = format!("{architecture}.expert_count");
            let keys = [
                ("general.architecture", Entry::Text(architecture.into())),
                (key.as_str(), Entry::U32(count)),
            ];
            std::fs::write(&path, header_of(&keys)).unwrap();
            GgufCheckpoint::open(&path).unwrap_err().to_string()
        };
        for architecture in ["llama", "qwen3moe", "olmoe", "phimoe", "gpt-oss"] {
            let said = tried(architecture, 8);
            assert!(
                said.contains(&format!("`{architecture} of 8 experts` is a mixture of experts")),
                "{said}"
            );
        }
        let said = tried("mamba", 0);
        assert!(said.contains("architecture `mamba` is not read from GGUF"), "{said}");
    }
}
