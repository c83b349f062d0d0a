//! A teacher's streams on disk.

use crate::Error;
use crate::hashed_block::{HASH, hash_of, read_block};
use dress_core::burn::tensor::{DType, Device, Tensor, TensorData};
use dress_core::{Calibration, Fingerprint, files};
use sha2::{Digest, Sha256};
use std::fs::{File, TryLockError};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const MAGIC: &[u8; 8] = b"dresstc2";
/// The magic, the key, and four numbers: blocks, positions, channels of the last stream, and how many others
/// there are.
const HEADER: u64 = 8 + 32 + 4 * 8;

/// A file of f32 numbers: per block of tokens the stream behind the last layer, then the others, then SHA-256
/// of both. The header, with the channels of the other streams, has its SHA-256 behind it.
#[derive(Debug)]
pub(crate) struct TeacherCache {
    path: PathBuf,
    file: Mutex<File>,
    seq: usize,
    width: usize,
    shown: Vec<usize>,
}

/// Writes one, beside its place until it is complete.
pub(crate) struct CacheWriter {
    path: PathBuf,
    partial: PathBuf,
    key: [u8; 32],
    file: BufWriter<File>,
    blocks: u64,
    shape: Option<(usize, usize, Vec<usize>)>,
}

impl TeacherCache {
    /// What tells one cache from another: the teacher, the tokens, and what is kept.
    pub fn key(teacher: &Fingerprint, data: &Calibration, layers: &[usize], width: usize) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(teacher.as_str());
        hash.update(data.sha256());
        hash.update(format!("{layers:?} {width}"));
        hash.finalize().into()
    }

    /// The file at `path`, where it is one of that key.
    ///
    /// # Errors
    /// [`Error::TeacherCache`] where it is one of that key and not what was written, and [`Error::Io`] of a
    /// pipe or device.
    pub fn open(path: &Path, key: &[u8; 32]) -> Result<Option<Self>, Error> {
        files::check(path).map_err(|cause| Error::Io { path: path.into(), cause })?;
        let Ok(mut file) = File::open(path) else { return Ok(None) };
        let mut header = vec![0; HEADER as usize];
        if file.read_exact(&mut header).is_err() || header[..8] != *MAGIC {
            return Ok(None);
        }
        let refused = |reason: &str| Error::TeacherCache { path: path.into(), reason: reason.into() };
        let (blocks, seq) = (number(&header, 0), number(&header, 1));
        let (width, streams) = (number(&header, 2), number(&header, 3));
        let mut widths = Vec::new();
        // A file is no longer than the system says, whatever it says of itself.
        let length = file.metadata().map_err(|cause| Error::Io { path: path.into(), cause })?.len();
        let numbers =
            Read::by_ref(&mut file).take(streams.saturating_mul(8).min(length)).read_to_end(&mut widths);
        numbers.map_err(|cause| Error::Io { path: path.into(), cause })?;
        header.extend(&widths);
        let mut hash = [0; HASH];
        if file.read_exact(&mut hash).is_err() || hash_of(&header) != hash {
            return Err(refused("the SHA-256 of its header is another"));
        }
        if header[8..40] != *key {
            return Ok(None);
        }
        let shown = widths.chunks_exact(8).map(|bytes| number_of(bytes) as usize).collect();
        let (seq, width) = (seq as usize, width as usize);
        let cache = Self { path: path.into(), file: Mutex::new(file), seq, width, shown };
        if length != cache.start() + blocks * cache.stride() {
            return Err(refused("it has another length"));
        }
        (0..blocks as usize).try_for_each(|block| cache.block(block).map(drop))?;
        Ok(Some(cache))
    }

    /// Begins one.
    ///
    /// # Errors
    /// [`Error::TeacherCacheInUse`] where another process does so, and [`Error::Io`].
    pub fn create(path: &Path, key: &[u8; 32]) -> Result<CacheWriter, Error> {
        let partial = path.with_extension("partial");
        let io = |cause| Error::Io { path: path.into(), cause };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(io)?;
        }
        let file = File::options().create(true).truncate(false).write(true).open(&partial).map_err(io)?;
        // Two runs may share a cache; what one of them leaves unfinished when it dies the other begins anew. A file that is gone
        // by now has become the cache.
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) || !partial.exists() {
            return Err(Error::TeacherCacheInUse { path: path.into() });
        }
        file.set_len(0).map_err(io)?;
        let file = BufWriter::new(file);
        Ok(CacheWriter { path: path.into(), partial, key: *key, file, blocks: 0, shape: None })
    }

    fn start(&self) -> u64 {
        HEADER + 8 * self.shown.len() as u64 + HASH as u64
    }

    /// Bytes a block of tokens.
    fn stride(&self) -> u64 {
        4 * self.seq as u64 * (self.width + self.shown.iter().sum::<usize>()) as u64 + HASH as u64
    }

    /// The numbers of one block, as bytes that are what was written.
    fn block(&self, index: usize) -> Result<Vec<u8>, Error> {
        let at = self.start() + index as u64 * self.stride();
        let read = read_block(&self.file, at, self.stride() as usize);
        let read = read.map_err(|cause| Error::Io { path: self.path.clone(), cause })?;
        read.ok_or_else(|| {
            let reason = format!("the SHA-256 of block {index} is another");
            Error::TeacherCache { path: self.path.clone(), reason }
        })
    }

    /// The last stream and the others of some blocks.
    pub fn read(&self, indices: &[usize], device: &Device) -> Result<(Tensor<3>, Vec<Tensor<3>>), Error> {
        let widths: Vec<usize> = std::iter::once(self.width).chain(self.shown.iter().copied()).collect();
        let mut numbers: Vec<Vec<f32>> = vec![Vec::new(); widths.len()];
        for &index in indices {
            let bytes = self.block(index)?;
            let mut values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            for (width, numbers) in widths.iter().zip(&mut numbers) {
                numbers.extend(values.by_ref().take(self.seq * width));
            }
        }
        let tensor = |(width, numbers): (&usize, Vec<f32>)| {
            let data = TensorData::new(numbers, [indices.len(), self.seq, *width]);
            Tensor::<3>::from_data(data, (device, DType::F32))
        };
        let mut tensors = widths.iter().zip(numbers).map(tensor);
        let last = tensors.next().expect("the last stream is always there");
        Ok((last, tensors.collect()))
    }
}

impl CacheWriter {
    /// Adds one block of tokens, each stream `[1, seq, width]`.
    pub fn push(&mut self, last: Tensor<3>, streams: Vec<Tensor<3>>) -> Result<(), Error> {
        let io = |cause| Error::Io { path: self.path.clone(), cause };
        let [_, seq, width] = last.dims();
        if self.shape.is_none() {
            let shown: Vec<usize> = streams.iter().map(|stream| stream.dims()[2]).collect();
            self.file.write_all(&[0; HEADER as usize]).map_err(io)?;
            for width in &shown {
                self.file.write_all(&(*width as u64).to_le_bytes()).map_err(io)?;
            }
            self.file.write_all(&[0; HASH]).map_err(io)?;
            self.shape = Some((seq, width, shown));
        }
        let mut bytes = Vec::new();
        for stream in std::iter::once(last).chain(streams) {
            bytes.extend(stream.cast(DType::F32).into_data().iter::<f32>().flat_map(f32::to_le_bytes));
        }
        let hash = hash_of(&bytes);
        self.file.write_all(&bytes).and_then(|()| self.file.write_all(&hash)).map_err(io)?;
        self.blocks += 1;
        Ok(())
    }

    /// The complete file, in its place.
    pub fn finish(mut self) -> Result<TeacherCache, Error> {
        let io = |cause| Error::Io { path: self.path.clone(), cause };
        let (seq, width, shown) = self.shape.unwrap_or_default();
        self.file.seek(SeekFrom::Start(0)).map_err(io)?;
        let numbers = [self.blocks, seq as u64, width as u64, shown.len() as u64];
        let numbers = numbers.into_iter().chain(shown.iter().map(|width| *width as u64));
        let mut header = [&MAGIC[..], &self.key].concat();
        header.extend(numbers.flat_map(u64::to_le_bytes));
        let hash = hash_of(&header);
        self.file.write_all(&header).and_then(|()| self.file.write_all(&hash)).map_err(io)?;
        self.file.flush().map_err(io)?;
        files::put_in_place(self.file.get_ref(), &self.partial, &self.path).map_err(io)?;
        let file = Mutex::new(File::open(&self.path).map_err(io)?);
        Ok(TeacherCache { path: self.path, file, seq, width, shown })
    }
}

/// One of the header's four numbers.
fn number(header: &[u8], at: usize) -> u64 {
    number_of(&header[40 + 8 * at..48 + 8 * at])
}

fn number_of(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_byte_anywhere_is_refused_or_makes_it_another_teachers() {
        let place = tempfile::tempdir().unwrap();
        let (path, key, device) = (place.path().join("teacher.cache"), [7; 32], Device::flex());
        let mut writer = TeacherCache::create(&path, &key).unwrap();
        let stream = |width| Tensor::<3>::ones([1, 3, width], &device);
        for _ in 0..2 {
            writer.push(stream(4), vec![stream(2), stream(2)]).unwrap();
        }
        writer.finish().unwrap();
        let cache = TeacherCache::open(&path, &key).unwrap().unwrap();
        let (last, others) = cache.read(&[1, 0], &device).unwrap();
        assert_eq!((last.dims(), others.len(), others[1].dims()), ([2, 3, 4], 2, [2, 3, 2]));
        assert!(TeacherCache::open(&path, &[8; 32]).unwrap().is_none(), "another teacher's");
        let whole = std::fs::read(&path).unwrap();
        for at in 8..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            std::fs::write(&path, flipped).unwrap();
            let says = TeacherCache::open(&path, &key).unwrap_err().to_string();
            assert!(says.contains("teacher.cache") && says.contains("remove it"), "{at}: {says}");
        }
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(TeacherCache::open(&path, &key).is_err());
    }
}
