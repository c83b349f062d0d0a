//! One safetensors file that is written at several places at a time.

use super::positional::write_at;
use super::safetensors_reader::TensorPlace;
use crate::Error;
use safetensors::tensor::{Metadata, TensorInfo};
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

/// One tensor of a file that will be written, and what makes it from one that is there.
pub(super) struct Planned<'a, E> {
    pub name: String,
    pub from: TensorPlace<'a>,
    pub edit: E,
    pub shape: Vec<usize>,
}

impl<E> Planned<'_, E> {
    /// Bytes that are read.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_of(self.from.shape)
    }

    /// Bytes that are written.
    pub fn bytes_written(&self) -> u64 {
        self.bytes_of(&self.shape)
    }

    fn bytes_of(&self, shape: &[usize]) -> u64 {
        (shape.iter().product::<usize>() * self.from.dtype.bitsize() / 8) as u64
    }
}

/// A file with its header written and room for its tensors.
pub(super) struct ShardFile<'a> {
    file: File,
    path: &'a Path,
    starts: Vec<u64>,
}

impl<'a> ShardFile<'a> {
    /// Makes the file. `fused` says by what name tensors that follow each other are one tensor.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Write`].
    pub fn create<E>(
        path: &'a Path,
        tensors: &[Planned<'_, E>],
        fused: &HashMap<String, String>,
    ) -> Result<Self, Error> {
        let (header, mut starts) = header(tensors, path, fused)?;
        let first = header.len() as u64;
        starts.iter_mut().for_each(|start| *start += first);
        let file = File::create(path).map_err(Error::io(path, "cannot be made"))?;
        let size = first + tensors.iter().map(Planned::bytes_written).sum::<u64>();
        file.set_len(size).map_err(|cause| Error::Write { path: path.into(), cause: cause.into() })?;
        let made = Self { file, path, starts };
        made.write(&header, 0)?;
        Ok(made)
    }

    /// The first byte of each tensor.
    pub fn starts(&self) -> &[u64] {
        &self.starts
    }

    /// Writes at a place.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, bytes: &[u8], at: u64) -> Result<(), Error> {
        write_at(&self.file, bytes, at)
            .map_err(|cause| Error::Write { path: self.path.into(), cause: cause.into() })
    }

    /// Waits until all of it is on the disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(self) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::io(self.path, "cannot be synced"))
    }
}

/// The bytes before a file's tensors, and where after them each tensor starts.
fn header<E>(
    tensors: &[Planned<'_, E>],
    path: &Path,
    fused: &HashMap<String, String>,
) -> Result<(Vec<u8>, Vec<u64>), Error> {
    let (mut infos, mut starts, mut end) = (Vec::<(String, TensorInfo)>::new(), Vec::new(), 0);
    for tensor in tensors {
        let start = end;
        end += tensor.bytes_written() as usize;
        starts.push(start as u64);
        let name = fused.get(&tensor.name).unwrap_or(&tensor.name);
        match infos.last_mut() {
            Some((last, info)) if last == name => {
                info.shape[0] += tensor.shape[0];
                info.data_offsets.1 = end;
            }
            _ => {
                let (dtype, shape) = (tensor.from.dtype, tensor.shape.clone());
                infos.push((name.clone(), TensorInfo { dtype, shape, data_offsets: (start, end) }));
            }
        }
    }
    let note = HashMap::from([("format".to_string(), "pt".to_string())]);
    let unwritable = |cause| Error::Write { path: path.into(), cause };
    let metadata = Metadata::new(Some(note), infos).map_err(unwritable)?;
    let mut text = serde_json::to_vec(&metadata).map_err(|cause| unwritable(cause.into()))?;
    text.resize(text.len().next_multiple_of(size_of::<u64>()), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.append(&mut text);
    Ok((header, starts))
}
