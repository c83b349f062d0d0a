//! How GGUF writes numbers, and back to floats (the block layouts of ggml's `ggml-common.h`).

use half::f16;
use rayon::prelude::*;

/// A type of tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorType {
    /// 32 bits.
    F32,
    /// 16 bits.
    F16,
    /// 16 bits with the range of 32.
    Bf16,
    /// 8 bits and a scale for 32 numbers.
    Q8_0,
    /// 4 bits and a scale for 32 numbers.
    Q4_0,
    /// 4 bits, a scale and a least value for 32 numbers.
    Q4_1,
    /// 4 bits, with scales and least values of 6 bits for each 32 of 256 numbers.
    Q4K,
    /// 6 bits, with scales of 8 bits for each 16 of 256 numbers.
    Q6K,
    /// A type of ggml's that is not dequantized here, by its number.
    Other(u32, usize, usize),
}

impl TensorType {
    /// The type of a number in the file, where ggml has one.
    pub fn from_id(id: u32) -> Option<Self> {
        // Numbers a block and bytes a block of the types that are known but not read.
        let other = |block, bytes| Some(TensorType::Other(id, block, bytes));
        match id {
            0 => Some(TensorType::F32),
            1 => Some(TensorType::F16),
            2 => Some(TensorType::Q4_0),
            3 => Some(TensorType::Q4_1),
            6 => other(32, 22),
            7 => other(32, 24),
            8 => Some(TensorType::Q8_0),
            9 => other(32, 36),
            10 => other(256, 84),
            11 => other(256, 110),
            12 => Some(TensorType::Q4K),
            13 => other(256, 176),
            14 => Some(TensorType::Q6K),
            15 => other(256, 292),
            // The IQ types: 2 and 3 bits, 1 bit, and 4 bits of a table.
            16 => other(256, 66),
            17 => other(256, 74),
            18 => other(256, 98),
            19 => other(256, 50),
            20 => other(32, 18),
            21 => other(256, 110),
            22 => other(256, 82),
            23 => other(256, 136),
            29 => other(256, 56),
            // Ternary ones.
            34 => other(256, 54),
            35 => other(256, 66),
            // MXFP4.
            39 => other(32, 17),
            24 => other(1, 1),
            25 => other(1, 2),
            26 => other(1, 4),
            27 | 28 => other(1, 8),
            30 => Some(TensorType::Bf16),
            _ => None,
        }
    }

    /// Its number in a file.
    #[cfg(feature = "tokenizer")]
    pub(super) fn id(self) -> u32 {
        match self {
            TensorType::F32 => 0,
            TensorType::F16 => 1,
            TensorType::Q4_0 => 2,
            TensorType::Q4_1 => 3,
            TensorType::Q8_0 => 8,
            TensorType::Q4K => 12,
            TensorType::Q6K => 14,
            TensorType::Bf16 => 30,
            TensorType::Other(id, ..) => id,
        }
    }

    /// Numbers a block.
    pub fn block(self) -> usize {
        match self {
            TensorType::F32 | TensorType::F16 | TensorType::Bf16 => 1,
            TensorType::Q8_0 | TensorType::Q4_0 | TensorType::Q4_1 => 32,
            TensorType::Q4K | TensorType::Q6K => 256,
            TensorType::Other(_, block, _) => block,
        }
    }

    /// Bytes a block.
    pub fn block_bytes(self) -> usize {
        match self {
            TensorType::F32 => 4,
            TensorType::F16 | TensorType::Bf16 => 2,
            TensorType::Q8_0 => 34,
            TensorType::Q4_0 => 18,
            TensorType::Q4_1 => 20,
            TensorType::Q4K => 144,
            TensorType::Q6K => 210,
            TensorType::Other(_, _, bytes) => bytes,
        }
    }

    /// The numbers of some blocks, or nothing where they are not quantized or not of a type that is read.
    pub fn dequantize(self, bytes: &[u8]) -> Option<Vec<f32>> {
        let decode: fn(&[u8], &mut [f32]) = match self {
            TensorType::Q8_0 => q8_0,
            TensorType::Q4_0 => q4_0,
            TensorType::Q4_1 => q4_1,
            TensorType::Q4K => q4_k,
            TensorType::Q6K => q6_k,
            _ => return None,
        };
        let mut numbers = vec![0.0; bytes.len() / self.block_bytes() * self.block()];
        let blocks = bytes.par_chunks_exact(self.block_bytes());
        blocks
            .zip(numbers.par_chunks_exact_mut(self.block()))
            .with_min_len(256)
            .for_each(|(b, n)| decode(b, n));
        Some(numbers)
    }
}

fn half(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

fn q8_0(block: &[u8], out: &mut [f32]) {
    let scale = half(block);
    out.iter_mut().zip(&block[2..]).for_each(|(x, &q)| *x = scale * f32::from(q.cast_signed()));
}

/// The low halves of the bytes first, then the high ones.
fn nibbles(bytes: &[u8], out: &mut [f32], make: impl Fn(u8) -> f32) {
    let (low, high) = out.split_at_mut(bytes.len());
    for ((low, high), &byte) in low.iter_mut().zip(high).zip(bytes) {
        (*low, *high) = (make(byte & 15), make(byte >> 4));
    }
}

fn q4_0(block: &[u8], out: &mut [f32]) {
    let scale = half(block);
    nibbles(&block[2..], out, |q| scale * (f32::from(q) - 8.0));
}

fn q4_1(block: &[u8], out: &mut [f32]) {
    let (scale, least) = (half(block), half(&block[2..]));
    nibbles(&block[4..], out, |q| scale * f32::from(q) + least);
}

fn q4_k(block: &[u8], out: &mut [f32]) {
    let (scale, least) = (half(block), half(&block[2..]));
    let (packed, quants) = (&block[4..16], &block[16..144]);
    for (pair, (numbers, bytes)) in out.chunks_exact_mut(64).zip(quants.chunks_exact(32)).enumerate() {
        let [low, high] = [2 * pair, 2 * pair + 1].map(|index| {
            let (s, m) = six_bits(packed, index);
            (scale * f32::from(s), least * f32::from(m))
        });
        for (i, &byte) in bytes.iter().enumerate() {
            numbers[i] = low.0 * f32::from(byte & 15) - low.1;
            numbers[32 + i] = high.0 * f32::from(byte >> 4) - high.1;
        }
    }
}

/// Scale and least value number `index` of the eight that are packed into twelve bytes.
fn six_bits(packed: &[u8], index: usize) -> (u8, u8) {
    match index {
        0..4 => (packed[index] & 63, packed[index + 4] & 63),
        _ => (
            (packed[index + 4] & 15) | (packed[index - 4] >> 6) << 4,
            (packed[index + 4] >> 4) | (packed[index] >> 6) << 4,
        ),
    }
}

fn q6_k(block: &[u8], out: &mut [f32]) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let scale = half(&block[208..]);
    for (part, numbers) in out.chunks_exact_mut(128).enumerate() {
        let (low, high) = (&low[64 * part..][..64], &high[32 * part..][..32]);
        for (i, number) in numbers.iter_mut().enumerate() {
            let (row, column) = (i / 32, i % 32);
            let nibble = low[column + 32 * (row % 2)] >> (4 * (row / 2)) & 15;
            let upper = high[column] >> (2 * row) & 3;
            let quant = f32::from(nibble | upper << 4) - 32.0;
            *number = scale * f32::from(scales[8 * part + i / 16].cast_signed()) * quant;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_known_bytes_have_known_numbers() {
        let one = f16::ONE.to_le_bytes();
        let two = f16::from_f32(2.0).to_le_bytes();
        let decode = |kind: TensorType, head: &[u8], fill: u8| {
            let mut block = head.to_vec();
            block.resize(kind.block_bytes(), fill);
            kind.dequantize(&block).unwrap()
        };
        assert_eq!(decode(TensorType::Q8_0, &two, 0xff), vec![-2.0; 32]);
        let q4_0 = decode(TensorType::Q4_0, &one, 0xf0);
        assert_eq!((q4_0[0], q4_0[15], q4_0[16], q4_0[31]), (-8.0, -8.0, 7.0, 7.0));
        let q4_1 = decode(TensorType::Q4_1, &[two, one].concat(), 0x31);
        assert_eq!((q4_1[0], q4_1[16]), (3.0, 7.0));
    }

    #[test]
    fn a_number_of_each_k_block_is_as_ggml_defines_it() {
        // Scale 3 and least value 5 for every 32 numbers: 6 bits each.
        let mut block = [f16::ONE.to_le_bytes(), f16::ONE.to_le_bytes()].concat();
        block.extend([3u8; 4]);
        block.extend([5u8; 4]);
        block.extend([0x53u8; 4]);
        block.extend([0xa2u8; 128]);
        let numbers = TensorType::Q4K.dequantize(&block).unwrap();
        assert_eq!((numbers[0], numbers[32], numbers[255]), (1.0, 25.0, 25.0));
        let mut block = vec![0x21u8; 128];
        block.extend([0b1110_0100u8; 64]);
        block.extend([2u8; 16]);
        block.extend(f16::ONE.to_le_bytes());
        let numbers = TensorType::Q6K.dequantize(&block).unwrap();
        let expected = [1.0 - 32.0, 17.0 - 32.0, 34.0 - 32.0, 50.0 - 32.0].map(|x| 2.0 * x);
        assert_eq!([numbers[0], numbers[32], numbers[64], numbers[96]], expected);
    }
}
