//! One tensor from file to file, a few rows at a time.

use super::FloatType;
use super::safetensors_reader::TensorPlace;
use super::shard_file::ShardFile;
use super::tensor_rows::TensorRows;
use crate::Error;
use dress_core::TensorEdit;
use half::{bf16, f16};
use std::ops::Range;

/// Bytes read at a time by one thread.
const CHUNK: usize = 4 << 20;

/// A tensor on its way: where it lies, what is done to it and where it goes.
pub(super) struct TensorStream<'a> {
    from: TensorRows<'a>,
    edit: &'a TensorEdit,
    /// By column, the mean of the rows that is to be taken off.
    means: Vec<f32>,
    /// The first byte in the file that is written.
    to: u64,
}

/// What a thread reads into and writes from, used again and again.
#[derive(Default)]
pub(super) struct Buffers {
    read: Vec<u8>,
    written: Vec<u8>,
}

impl<'a> TensorStream<'a> {
    /// A tensor that will be written at byte `to`.
    ///
    /// # Errors
    /// [`Error::TensorType`] where it does not hold floats.
    pub fn new(
        name: &'a str,
        from: &'a TensorPlace<'a>,
        edit: &'a TensorEdit,
        to: u64,
    ) -> Result<Self, Error> {
        Ok(Self { from: TensorRows::new(name, from)?, edit, means: Vec::new(), to })
    }

    /// The rows that are read together, each with the ones after it.
    pub fn chunks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        self.from.stretches((CHUNK / self.row_bytes().max(1)).max(1))
    }

    /// Bytes of a row as it is read.
    pub fn row_bytes(&self) -> usize {
        self.from.row_bytes()
    }

    /// Finds the means that the edit takes off, where they run over the rows and so over the whole tensor.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::NotFinite`].
    pub fn prepare(&mut self, buffers: &mut Buffers) -> Result<(), Error> {
        if self.edit.centre != Some(0) {
            return Ok(());
        }
        let mut sums = vec![0.0f64; self.from.columns];
        for rows in self.chunks() {
            self.read(rows, buffers)?;
            for row in buffers.read.chunks_exact(self.row_bytes()) {
                let numbers = row.chunks_exact(self.from.element.size());
                sums.iter_mut()
                    .zip(numbers)
                    .for_each(|(sum, n)| *sum += f64::from(self.from.element.read(n)));
            }
        }
        self.means = sums.iter().map(|sum| (sum / self.from.rows as f64) as f32).collect();
        Ok(())
    }

    /// Carries `rows` over to `file`.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::NotFinite`] where the file holds NaN or infinity.
    pub fn carry(
        &self,
        rows: Range<usize>,
        file: &ShardFile<'_>,
        buffers: &mut Buffers,
    ) -> Result<(), Error> {
        let all: Vec<usize>;
        let (kept, before) = match self.edit.kept(0) {
            Some(kept) => {
                let (start, end) =
                    (kept.partition_point(|&r| r < rows.start), kept.partition_point(|&r| r < rows.end));
                (&kept[start..end], start)
            }
            None => {
                all = rows.clone().collect();
                (all.as_slice(), rows.start)
            }
        };
        let columns = self.edit.kept(1);
        let row_written = columns.map_or(self.from.columns, <[usize]>::len) * self.from.element.size();
        self.read(rows.clone(), buffers)?;
        buffers.written.clear();
        for &row in kept {
            let start = (row - rows.start) * self.row_bytes();
            let bytes = &buffers.read[start..start + self.row_bytes()];
            match (self.edit.changes_numbers(), self.from.element.size()) {
                (true, _) => self.change(bytes, columns, &mut buffers.written),
                (false, 2) => gather::<2>(bytes, columns, &mut buffers.written),
                (false, _) => gather::<4>(bytes, columns, &mut buffers.written),
            }
        }
        file.write(&buffers.written, self.to + (before * row_written) as u64)
    }

    fn read(&self, rows: Range<usize>, buffers: &mut Buffers) -> Result<(), Error> {
        let first = rows.start;
        self.from.read(rows, &mut buffers.read)?;
        match first_not_finite(&buffers.read, self.from.element) {
            None => Ok(()),
            Some(at) => Err(self.from.not_finite(first, at, &buffers.read)),
        }
    }

    /// One row with its mean taken off and multiplied, rounded once.
    fn change(&self, row: &[u8], columns: Option<&[usize]>, written: &mut Vec<u8>) {
        let numbers: Vec<f32> =
            row.chunks_exact(self.from.element.size()).map(|n| self.from.element.read(n)).collect();
        let mean = match self.edit.centre {
            Some(1) => (numbers.iter().map(|&n| f64::from(n)).sum::<f64>() / numbers.len() as f64) as f32,
            _ => 0.0,
        };
        let (factor, shift) = (self.edit.factor as f32, self.edit.shift as f32);
        let number = |column: usize| {
            let mean = self.means.get(column).copied().unwrap_or(mean);
            let number = (numbers[column] - mean) * factor + shift;
            match self.from.element {
                FloatType::F32 => (number.to_le_bytes(), 4),
                FloatType::F16 => (widened(f16::from_f32(number).to_le_bytes()), 2),
                FloatType::Bf16 => (widened(bf16::from_f32(number).to_le_bytes()), 2),
            }
        };
        let mut push = |column| {
            let (bytes, len) = number(column);
            written.extend_from_slice(&bytes[..len]);
        };
        match columns {
            Some(kept) => kept.iter().for_each(|&column| push(column)),
            None => (0..self.from.columns).for_each(push),
        }
    }
}

fn widened(bytes: [u8; 2]) -> [u8; 4] {
    [bytes[0], bytes[1], 0, 0]
}

/// The chosen numbers of a row, `N` bytes each.
fn gather<const N: usize>(row: &[u8], columns: Option<&[usize]>, written: &mut Vec<u8>) {
    let Some(columns) = columns else { return written.extend_from_slice(row) };
    let (numbers, _) = row.as_chunks::<N>();
    let start = written.len();
    written.resize(start + columns.len() * N, 0);
    let (places, _) = written[start..].as_chunks_mut::<N>();
    places.iter_mut().zip(columns).for_each(|(place, &column)| *place = numbers[column]);
}

/// The index of a number that is NaN or infinite: one whose exponent is all ones.
pub(super) fn first_not_finite(bytes: &[u8], element: FloatType) -> Option<usize> {
    match element {
        FloatType::F32 => {
            let (numbers, _) = bytes.as_chunks::<4>();
            find(numbers, |n| u32::from_le_bytes(*n) & 0x7f80_0000 == 0x7f80_0000)
        }
        FloatType::F16 => {
            let (numbers, _) = bytes.as_chunks::<2>();
            find(numbers, |n| u16::from_le_bytes(*n) & 0x7c00 == 0x7c00)
        }
        FloatType::Bf16 => {
            let (numbers, _) = bytes.as_chunks::<2>();
            find(numbers, |n| u16::from_le_bytes(*n) & 0x7f80 == 0x7f80)
        }
    }
}

/// The first that is so; looks at all of a stretch first, which the compiler can do many at a time.
fn find<T>(numbers: &[T], is: impl Fn(&T) -> bool) -> Option<usize> {
    let stretches = numbers.chunks(4096).enumerate();
    let mut hit = stretches.filter(|(_, stretch)| stretch.iter().fold(false, |any, n| any | is(n)));
    let (number, stretch) = hit.next()?;
    stretch.iter().position(is).map(|at| number * 4096 + at)
}
