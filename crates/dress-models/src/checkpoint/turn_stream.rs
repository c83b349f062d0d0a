//! One tensor from file to file with its channels turned.

use super::FloatType;
use super::shard_file::ShardFile;
use super::tensor_rows::TensorRows;
use crate::Error;
use burn::tensor::{Bytes, DType, Tensor, TensorData};
use dress_core::{RunningStage, TurnedChannels};
use std::ops::Range;

/// Numbers that are made by one product and written: enough that the product takes longer than all beside it.
const NUMBERS: usize = 16 << 20;

/// A tensor on its way into other coordinates. Products are in f32, by every core or on the basis's device,
/// and rounded once.
pub(super) struct TurnStream<'a> {
    pub from: TensorRows<'a>,
    /// `[width, width]`
    pub basis: &'a Tensor<2>,
    /// The first byte in the file that is written.
    pub to: u64,
}

impl TurnStream<'_> {
    /// Writes other numbers in the tensor's place.
    ///
    /// # Errors
    /// [`Error::Overflow`] and [`Error::Write`].
    pub fn set(&self, numbers: &[f32], file: &ShardFile<'_>) -> Result<(), Error> {
        self.write(0, &Bytes::from_elems(numbers.to_vec()), file)
    }

    /// Carries the tensor over to `file`, its channels turned. Where they are the columns, some rows are in
    /// memory at a time; where they are the rows, the whole tensor and some rows of the result.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::NotFinite`], [`Error::Overflow`] and [`Error::Write`].
    pub fn turn(
        &self,
        turn: &TurnedChannels,
        file: &ShardFile<'_>,
        stage: &RunningStage<'_>,
    ) -> Result<(), Error> {
        let stretches = self.from.stretches((NUMBERS / self.from.columns.max(1)).max(1));
        let whole = match turn.dim {
            0 => Some(prepared(turn, self.read(0..self.from.rows)?)),
            _ => None,
        };
        for rows in stretches {
            let (start, len) = (rows.start, rows.len());
            let turned = match &whole {
                Some(whole) => {
                    let mixtures = self.basis.clone().transpose().narrow(0, start, len);
                    mixtures.matmul(whole.clone())
                }
                None => prepared(turn, self.read(rows)?).matmul(self.basis.clone()),
            };
            self.write(start, turned.into_data().as_bytes(), file)?;
            stage.advance((len * self.from.row_bytes()) as u64)?;
        }
        Ok(())
    }

    /// Some rows in f32.
    fn read(&self, rows: Range<usize>) -> Result<Tensor<2>, Error> {
        let (first, shape) = (rows.start, [rows.len(), self.from.columns]);
        let mut bytes = Vec::new();
        self.from.read(rows, &mut bytes)?;
        let (numbers, bad) = self.from.element.convert(&bytes, FloatType::F32, None);
        if let Some(at) = bad {
            return Err(self.from.not_finite(first, at, &bytes));
        }
        drop(bytes);
        let data = TensorData::from_bytes(numbers, shape, DType::F32);
        Ok(Tensor::from_data(data, (&self.basis.device(), DType::F32)))
    }

    /// Writes rows, given in f32, from row `first` on.
    fn write(&self, first: usize, numbers: &[u8], file: &ShardFile<'_>) -> Result<(), Error> {
        let element = self.from.element;
        let (rounded, bad) = FloatType::F32.convert(numbers, element, None);
        if let Some(at) = bad {
            let value = FloatType::F32.read(&numbers[at * FloatType::F32.size()..]);
            let index = first * self.from.columns + at;
            return Err(Error::Overflow { tensor: self.from.name.into(), index, value, element });
        }
        file.write(&rounded, self.to + (first * self.from.row_bytes()) as u64)
    }
}

/// `numbers` as they meet the basis: their mean over the channels taken off, each channel multiplied.
fn prepared(turn: &TurnedChannels, numbers: Tensor<2>) -> Tensor<2> {
    let centred = match turn.centred {
        true => {
            let mean = numbers.clone().mean_dim(turn.dim);
            numbers - mean
        }
        false => numbers,
    };
    let Some(factors) = &turn.factors else { return centred };
    let mut shape = [1, 1];
    shape[turn.dim] = factors.len();
    let factors = TensorData::new(factors.to_vec(), shape);
    let factors: Tensor<2> = Tensor::from_data(factors, (&centred.device(), DType::F32));
    centred * factors
}
