//! A teacher's streams on disk.

use crate::Error;
use dress_core::burn::tensor::{DType, Device, Tensor, TensorData};
use dress_core::{Calibration, Fingerprint};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const MAGIC: &[u8; 8] = b"dresstch";
/// The magic, the key, and four numbers: blocks, positions, channels of the last stream, and numbers a position of all
/// the others.
const HEADER: u64 = 8 + 32 + 4 * 8;

/// A file of f32 numbers: per block of tokens the stream behind the last block, then the others.
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
        for block in &data.blocks {
            block.iter().for_each(|token| hash.update(token.to_le_bytes()));
            hash.update([0xff; 4]);
        }
        hash.update(format!("{layers:?} {width}"));
        hash.finalize().into()
    }

    /// The file at `path`, where it is one of that key and complete.
    pub fn open(path: &Path, key: &[u8; 32]) -> Result<Option<Self>, Error> {
        let Ok(mut file) = File::open(path) else { return Ok(None) };
        let mut header = [0; HEADER as usize];
        if file.read_exact(&mut header).is_err() || header[..8] != *MAGIC || header[8..40] != *key {
            return Ok(None);
        }
        let number = |at: usize| {
            let bytes: [u8; 8] = std::array::from_fn(|i| header[40 + 8 * at + i]);
            u64::from_le_bytes(bytes)
        };
        let (blocks, seq, width, streams) = (number(0), number(1), number(2), number(3));
        let mut shown = Vec::new();
        for _ in 0..streams {
            let mut bytes = [0; 8];
            if file.read_exact(&mut bytes).is_err() {
                return Ok(None);
            }
            shown.push(u64::from_le_bytes(bytes) as usize);
        }
        let (seq, width) = (seq as usize, width as usize);
        let cache = Self { path: path.into(), file: Mutex::new(file), seq, width, shown };
        let expected = cache.start() + blocks * cache.stride();
        let length = std::fs::metadata(path).map_err(|source| Error::Io { path: path.into(), source })?.len();
        Ok((length == expected).then_some(cache))
    }

    pub fn create(path: &Path, key: &[u8; 32]) -> Result<CacheWriter, Error> {
        let partial = path.with_extension("partial");
        let io = |source| Error::Io { path: path.into(), source };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(io)?;
        }
        let file = BufWriter::new(File::create(&partial).map_err(io)?);
        Ok(CacheWriter { path: path.into(), partial, key: *key, file, blocks: 0, shape: None })
    }

    fn start(&self) -> u64 {
        HEADER + 8 * self.shown.len() as u64
    }

    /// Bytes a block of tokens.
    fn stride(&self) -> u64 {
        4 * self.seq as u64 * (self.width + self.shown.iter().sum::<usize>()) as u64
    }

    /// The last stream and the others of some blocks.
    pub fn read(&self, indices: &[usize], device: &Device) -> Result<(Tensor<3>, Vec<Tensor<3>>), Error> {
        let widths: Vec<usize> = std::iter::once(self.width).chain(self.shown.iter().copied()).collect();
        let mut numbers: Vec<Vec<f32>> = vec![Vec::new(); widths.len()];
        let mut bytes = vec![0; self.stride() as usize];
        for &index in indices {
            let at = self.start() + index as u64 * self.stride();
            let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes));
            read.map_err(|source| Error::Io { path: self.path.clone(), source })?;
            drop(file);
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
        let io = |source| Error::Io { path: self.path.clone(), source };
        let [_, seq, width] = last.dims();
        if self.shape.is_none() {
            let shown: Vec<usize> = streams.iter().map(|stream| stream.dims()[2]).collect();
            self.file.write_all(&[0; HEADER as usize]).map_err(io)?;
            for width in &shown {
                self.file.write_all(&(*width as u64).to_le_bytes()).map_err(io)?;
            }
            self.shape = Some((seq, width, shown));
        }
        for stream in std::iter::once(last).chain(streams) {
            for number in stream.cast(DType::F32).into_data().iter::<f32>() {
                self.file.write_all(&number.to_le_bytes()).map_err(io)?;
            }
        }
        self.blocks += 1;
        Ok(())
    }

    /// The complete file, in its place.
    pub fn finish(mut self) -> Result<TeacherCache, Error> {
        let io = |source| Error::Io { path: self.path.clone(), source };
        let (seq, width, shown) = self.shape.unwrap_or_default();
        self.file.seek(SeekFrom::Start(0)).map_err(io)?;
        self.file.write_all(MAGIC).and_then(|()| self.file.write_all(&self.key)).map_err(io)?;
        for number in [self.blocks, seq as u64, width as u64, shown.len() as u64] {
            self.file.write_all(&number.to_le_bytes()).map_err(io)?;
        }
        self.file.flush().and_then(|()| std::fs::rename(&self.partial, &self.path)).map_err(io)?;
        let file = Mutex::new(File::open(&self.path).map_err(io)?);
        Ok(TeacherCache { path: self.path, file, seq, width, shown })
    }
}
