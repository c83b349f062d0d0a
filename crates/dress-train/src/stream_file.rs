//! The residual streams of blocks, on disk.

use crate::Error;
use crate::hashed_block::{HASH, hash_of, read_block};
use dress_core::burn::tensor::{DType, Device, Tensor, TensorData};
use dress_core::files;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const FORMAT: u32 = 1;

/// The longest first line that is read.
const LONGEST: u64 = 4096;

/// What the file says of itself in its first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    format: u32,
    /// SHA-256 of all that the streams depend on.
    key: String,
    blocks: usize,
    seq: usize,
    width: usize,
    dtype: Number,
}

impl Head {
    /// Bytes of all blocks with their hashes, where there can be so many.
    fn bytes(&self) -> Option<u64> {
        let numbers = (self.seq as u64).checked_mul(self.width as u64)?;
        let stride = numbers.checked_mul(self.dtype.size() as u64)?.checked_add(HASH as u64)?;
        stride.checked_mul(self.blocks as u64)
    }
}

/// The type of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Number {
    F32,
    F16,
    Bf16,
}

/// A file of the residual streams of some blocks of tokens at one place of a model: a line of JSON, then
/// block after block the numbers, little-endian, each block with its SHA-256 behind it. One block at a time
/// is in memory.
///
/// # Examples
/// ```
/// use dress_core::burn::tensor::{Device, Tensor};
/// use dress_train::{StreamFile, StreamWriter};
///
/// let (place, device) = (tempfile::tempdir()?, Device::flex());
/// let path = place.path().join("stream-0");
/// let mut writer = StreamWriter::create(&path, "this model and this text", 2)?;
/// for _ in 0..2 {
///     writer.push(Tensor::ones([1, 3, 4], &device))?;
/// }
/// writer.finish()?;
/// let file = StreamFile::open(&path, "this model and this text", &device)?.expect("it is there");
/// assert_eq!((file.blocks(), file.block(1)?.dims()), (2, [1, 3, 4]));
/// assert!(StreamFile::open(&path, "another text", &device)?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StreamFile {
    path: PathBuf,
    file: Mutex<File>,
    /// The first byte of the first block.
    start: u64,
    head: Head,
    device: Device,
}

/// Writes a [`StreamFile`], beside its place until it is complete.
#[derive(Debug)]
pub struct StreamWriter {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    key: String,
    blocks: usize,
    written: usize,
    head: Option<Head>,
}

impl StreamFile {
    /// The file at `path`, its streams for `device`; nothing where none is there, or one of another key.
    ///
    /// # Errors
    /// [`Error::StreamFile`] where it is one of that key and not complete, and [`Error::Io`] of a pipe or
    /// device.
    pub fn open(path: &Path, key: &str, device: &Device) -> Result<Option<Self>, Error> {
        let io = |cause| Error::Io { path: path.into(), cause };
        files::check(path).map_err(io)?;
        let Ok(file) = File::open(path) else { return Ok(None) };
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        reader.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(io)?;
        let Ok(head) = serde_json::from_slice::<Head>(&line) else { return Ok(None) };
        if head.format != FORMAT || head.key != hex_hash_of(key) {
            return Ok(None);
        }
        let (file, start) = (reader.into_inner(), line.len() as u64);
        let length = file.metadata().map_err(io)?.len();
        let expected = head.bytes().and_then(|bytes| bytes.checked_add(start));
        let found = Self { path: path.into(), file: Mutex::new(file), start, head, device: device.clone() };
        if expected != Some(length) {
            return Err(found.damaged("it has another length".into()));
        }
        Ok(Some(found))
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> usize {
        self.head.blocks
    }

    /// The stream of one block. `[1, seq, hidden_size]`
    ///
    /// # Errors
    /// [`Error::StreamFile`] where it is not what was written, and [`Error::Io`].
    pub fn block(&self, index: usize) -> Result<Tensor<3>, Error> {
        let bytes = self.bytes(index)?;
        let Head { seq, width, dtype, .. } = self.head;
        let dtype = dtype.dtype();
        let data = TensorData::from_bytes_vec(bytes, [1, seq, width], dtype);
        Ok(Tensor::from_data(data, (&self.device, dtype)))
    }

    /// Reads every block to see that it is what was written.
    ///
    /// # Errors
    /// Those of [`StreamFile::block`].
    pub fn check(&self) -> Result<(), Error> {
        (0..self.blocks()).try_for_each(|block| self.bytes(block).map(drop))
    }

    /// The numbers of one block, which are what was written.
    fn bytes(&self, index: usize) -> Result<Vec<u8>, Error> {
        let at = self.start + (index * self.stride()) as u64;
        let read = read_block(&self.file, at, self.stride());
        read.map_err(|cause| Error::Io { path: self.path.clone(), cause })?
            .ok_or_else(|| self.damaged(format!("the SHA-256 of block {index} is another")))
    }

    /// Bytes a block, its hash with it.
    fn stride(&self) -> usize {
        self.head.seq * self.head.width * self.head.dtype.size() + HASH
    }

    fn damaged(&self, reason: String) -> Error {
        Error::StreamFile { path: self.path.clone(), reason }
    }
}

impl StreamWriter {
    /// Begins a file of `blocks` blocks at `path`; `key` is all that its streams depend on.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path, key: &str, blocks: usize) -> Result<Self, Error> {
        let io = |cause| Error::Io { path: path.into(), cause };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(io)?;
        }
        let partial = files::partial_beside(path);
        let file = BufWriter::new(File::create(&partial).map_err(io)?);
        let key = hex_hash_of(key);
        Ok(Self { path: path.into(), partial, file, key, blocks, written: 0, head: None })
    }

    /// Adds the stream of one block, `[1, seq, hidden_size]`; those of all blocks have one shape and one
    /// type.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::StreamFile`] where it is of another shape or type than the first.
    pub fn push(&mut self, stream: Tensor<3>) -> Result<(), Error> {
        let [_, seq, width] = stream.dims();
        let data = stream.without_autodiff().into_data();
        let dtype = Number::of(data.dtype()).ok_or_else(|| self.refused("its numbers are no floats"))?;
        let (format, key, blocks) = (FORMAT, self.key.clone(), self.blocks);
        let head = Head { format, key, blocks, seq, width, dtype };
        match &self.head {
            None => {
                let line = serde_json::to_string(&head).expect("numbers and names");
                self.write(format!("{line}\n").as_bytes())?;
                self.head = Some(head);
            }
            Some(first) if *first != head => return Err(self.refused("blocks differ in shape")),
            Some(_) => {}
        }
        let bytes = data.as_bytes();
        self.write(bytes)?;
        self.write(&hash_of(bytes))?;
        self.written += 1;
        Ok(())
    }

    /// Puts the complete file in its place.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::StreamFile`] where blocks are missing.
    pub fn finish(mut self) -> Result<(), Error> {
        if self.written != self.blocks {
            return Err(self.refused("blocks are missing"));
        }
        let io = |cause| Error::Io { path: self.path.clone(), cause };
        self.file.flush().map_err(io)?;
        files::put_in_place(self.file.get_ref(), &self.partial, &self.path).map_err(io)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|cause| Error::Io { path: self.path.clone(), cause })
    }

    fn refused(&self, reason: &str) -> Error {
        Error::StreamFile { path: self.path.clone(), reason: reason.into() }
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        // One that was put in its place is not there any more.
        let _ = std::fs::remove_file(&self.partial);
    }
}

impl Number {
    fn of(dtype: DType) -> Option<Self> {
        match dtype {
            DType::F32 => Some(Number::F32),
            DType::F16 => Some(Number::F16),
            DType::BF16 => Some(Number::Bf16),
            _ => None,
        }
    }

    fn dtype(self) -> DType {
        match self {
            Number::F32 => DType::F32,
            Number::F16 => DType::F16,
            Number::Bf16 => DType::BF16,
        }
    }

    fn size(self) -> usize {
        if self == Number::F32 { 4 } else { 2 }
    }
}

fn hex_hash_of(text: &str) -> String {
    hash_of(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &Path, dtype: DType) {
        let device = Device::flex();
        let mut writer = StreamWriter::create(path, "key", 2).unwrap();
        for block in 0..2 {
            writer.push((Tensor::<3>::ones([1, 2, 3], &device) * block).cast(dtype)).unwrap();
        }
        writer.finish().unwrap();
    }

    #[test]
    fn numbers_come_back_as_they_were_in_every_type() {
        let place = tempfile::tempdir().unwrap();
        for dtype in [DType::F32, DType::BF16, DType::F16] {
            let path = place.path().join(format!("{dtype:?}"));
            written(&path, dtype);
            let file = StreamFile::open(&path, "key", &Device::flex()).unwrap().unwrap();
            let second = file.block(1).unwrap();
            assert_eq!((second.dtype(), second.dims()), (dtype, [1, 2, 3]));
            assert_eq!(second.cast(DType::F32).sum().into_scalar::<f32>(), 6.0);
        }
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 3, "nothing partial is left");
    }

    #[test]
    fn a_flipped_byte_is_refused_or_makes_it_another_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("stream-0");
        written(&path, DType::F32);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, flipped).unwrap();
            let same = match StreamFile::open(&path, "key", &Device::flex()) {
                Ok(Some(file)) => {
                    let are_whole = (0..file.blocks()).all(|block| file.block(block).is_ok());
                    assert_eq!(file.check().is_ok(), are_whole, "byte {at}");
                    are_whole
                }
                Ok(None) => false,
                Err(error) => {
                    assert!(error.to_string().contains("stream-0"), "{error}");
                    false
                }
            };
            assert!(!same, "byte {at}");
        }
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(StreamFile::open(&path, "key", &Device::flex()).is_err());
        let (head, numbers) = whole.split_at(whole.iter().position(|&byte| byte == b'\n').unwrap());
        let head = String::from_utf8(head.to_vec()).unwrap();
        for (few, many) in [
            ("\"blocks\":2", "\"blocks\":18446744073709551615"),
            ("\"seq\":2", "\"seq\":9223372036854775807"),
        ] {
            let many = head.replace(few, many);
            assert_ne!(many, head);
            std::fs::write(&path, [many.as_bytes(), numbers].concat()).unwrap();
            assert!(StreamFile::open(&path, "key", &Device::flex()).is_err(), "{many}");
        }
    }

    #[test]
    fn what_is_not_complete_is_not_there() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("stream-0");
        let mut writer = StreamWriter::create(&path, "key", 2).unwrap();
        writer.push(Tensor::ones([1, 2, 3], &Device::flex())).unwrap();
        assert!(writer.push(Tensor::ones([1, 2, 4], &Device::flex())).is_err());
        assert!(writer.finish().unwrap_err().to_string().contains("missing"));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
