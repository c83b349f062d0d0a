//! A GGUF file written from its beginning to its end, one tensor after the other.

use super::encode::encode;
use super::outgoing::{Origin, Outgoing, Rows};
use crate::Error;
use crate::checkpoint::{FloatType, RawTensor, Weights};
use crate::gguf::TensorType;
use crate::gguf::entry::{Entry, header, tensor_info};
use dress_core::RunningStage;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// What every tensor's place is a multiple of.
const ALIGNMENT: usize = 32;

/// Bytes that are made together.
const CHUNK: usize = 8 << 20;

/// Numbers that one thread takes at a time at least.
const TASK: usize = 1 << 14;

/// Where the numbers are from, and where they go.
pub(super) struct GgufFile<'a> {
    pub weights: &'a Weights,
    /// By parameter, the name that the weights have for it.
    pub names: &'a BTreeMap<String, String>,
    pub file: &'a File,
    /// The file's path, which errors name.
    pub path: &'a Path,
}

impl GgufFile<'_> {
    /// Writes all of it; returns how many bytes that is.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::TensorShape`], [`Error::TensorType`], [`Error::NotFinite`], and
    /// [`Error::NotExported`] of a number that its type cannot hold.
    pub fn write(
        &self,
        entries: &[(String, Entry)],
        tensors: &[Outgoing],
        stage: &RunningStage<'_>,
    ) -> Result<u64, Error> {
        let (mut infos, mut end) = (Vec::new(), 0);
        for Outgoing { name, shape, kind, .. } in tensors {
            infos.push(tensor_info(name, shape, kind.id(), end as u64));
            end += tensors[infos.len() - 1].bytes().next_multiple_of(ALIGNMENT);
        }
        let header = header(entries.iter().map(|(key, entry)| (key.as_str(), entry)), &infos, ALIGNMENT);
        self.put(&header)?;
        for tensor in tensors {
            match &tensor.from {
                Origin::Numbers(numbers) => {
                    self.put(&numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>())?
                }
                Origin::Parameters(parts) => {
                    parts.iter().try_for_each(|rows| self.carry(rows, tensor.kind, stage))?
                }
            }
            let padding = tensor.bytes().next_multiple_of(ALIGNMENT) - tensor.bytes();
            self.put(&[0; ALIGNMENT][..padding])?;
        }
        Ok((header.len() + end) as u64)
    }

    fn put(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut file = self.file;
        file.write_all(bytes).map_err(Error::io(self.path, "cannot be written"))
    }

    /// Writes the rows of a parameter, some at a time.
    fn carry(&self, rows: &Rows, kind: TensorType, stage: &RunningStage<'_>) -> Result<(), Error> {
        let (raw, element) = self.read(rows)?;
        let row_bytes = rows.columns() / kind.block() * kind.block_bytes();
        let step = (CHUNK / row_bytes.max(1)).max(1);
        let mut out = Vec::new();
        for first in (0..rows.count()).step_by(step) {
            let count = step.min(rows.count() - first);
            out.resize(count * row_bytes, 0);
            out.par_chunks_exact_mut(row_bytes)
                .enumerate()
                .with_min_len((TASK / rows.columns().max(1)).max(1))
                .try_for_each_init(Vec::new, |numbers, (row, out)| {
                    self.encode_row(&raw, element, rows, (first + row, kind), numbers, out)
                })?;
            self.put(&out)?;
            stage.advance(out.len() as u64)?;
        }
        Ok(())
    }

    /// The whole parameter as its file has it.
    fn read(&self, rows: &Rows) -> Result<(RawTensor<'_>, FloatType), Error> {
        let filed = self.names.get(&rows.parameter).unwrap_or(&rows.parameter);
        let raw = self.weights.read(filed)?.ok_or_else(|| Error::Names {
            path: self.weights.path().into(),
            missing: vec![rows.parameter.clone()],
            unknown: Vec::new(),
        })?;
        let (file, tensor) = (raw.file.clone(), filed.clone());
        if raw.shape != rows.shape {
            return Err(Error::TensorShape { file, tensor, expected: rows.shape.clone(), found: raw.shape });
        }
        match raw.element {
            Some(element) => Ok((raw, element)),
            None => Err(Error::TensorType { file, tensor, found: raw.element_name }),
        }
    }

    /// One row of the tensor, read into `numbers` on its way.
    fn encode_row(
        &self,
        raw: &RawTensor<'_>,
        element: FloatType,
        rows: &Rows,
        (row, kind): (usize, TensorType),
        numbers: &mut Vec<f32>,
        out: &mut [u8],
    ) -> Result<(), Error> {
        let (source, len) = (rows.source(row), rows.columns() * element.size());
        let bytes = &raw.bytes[source * len..(source + 1) * len];
        numbers.clear();
        numbers.extend(bytes.chunks_exact(element.size()).map(|number| element.read(number)));
        if rows.one_more {
            numbers.iter_mut().for_each(|number| *number += 1.0);
        }
        let index = |at: usize| source * rows.columns() + at;
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            let (file, tensor) = (raw.file.clone(), rows.parameter.clone());
            return Err(Error::NotFinite { file, tensor, index: index(at), value: numbers[at] });
        }
        match encode(kind, numbers, out) {
            None => Ok(()),
            Some(at) => Err(Error::NotExported {
                path: self.path.into(),
                reason: format!(
                    "{}: the numbers from {} on, {} for one, are beyond what {kind:?} holds; give `type = bf16` or \
                     `type = f32`",
                    rows.parameter,
                    index(at),
                    numbers[at]
                ),
            }),
        }
    }
}
