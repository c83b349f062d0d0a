//! Floats as GGUF writes them (the reference rounding of ggml's `ggml-quants.c`).

use crate::gguf::TensorType;
use half::{bf16, f16};

/// Writes the numbers of a row, which are whole blocks, in a type that is written; says which number it
/// cannot hold.
pub(super) fn encode(kind: TensorType, numbers: &[f32], out: &mut [u8]) -> Option<usize> {
    match kind {
        TensorType::F16 => {
            each::<2>(numbers, out, |number| f16::from_f32(number).to_le_bytes());
            numbers.iter().position(|&number| f16::from_f32(number).is_infinite())
        }
        TensorType::Bf16 => {
            each::<2>(numbers, out, |number| bf16::from_f32(number).to_le_bytes());
            numbers.iter().position(|&number| bf16::from_f32(number).is_infinite())
        }
        TensorType::Q8_0 => blocks(kind, numbers, out, q8_0),
        TensorType::Q4_0 => blocks(kind, numbers, out, q4_0),
        _ => {
            each::<4>(numbers, out, f32::to_le_bytes);
            None
        }
    }
}

fn each<const N: usize>(numbers: &[f32], out: &mut [u8], make: impl Fn(f32) -> [u8; N]) {
    let (places, _) = out.as_chunks_mut::<N>();
    places.iter_mut().zip(numbers).for_each(|(place, &number)| *place = make(number));
}

/// Block by block; the scale of a block may be beyond half precision.
fn blocks(
    kind: TensorType,
    numbers: &[f32],
    out: &mut [u8],
    block: fn(&[f32], &mut [u8]) -> f16,
) -> Option<usize> {
    let pairs = numbers.chunks_exact(kind.block()).zip(out.chunks_exact_mut(kind.block_bytes()));
    let mut scales = pairs.map(|(numbers, out)| block(numbers, out));
    // The first that is not finite ends the row, which is then not written.
    scales.position(|scale| !scale.is_finite()).map(|index| index * kind.block())
}

/// The number that is farthest from zero; of several the first.
fn farthest(numbers: &[f32]) -> f32 {
    numbers.iter().fold(0.0f32, |far, &number| if far.abs() < number.abs() { number } else { far })
}

fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

fn q8_0(numbers: &[f32], out: &mut [u8]) -> f16 {
    let scale = farthest(numbers).abs() / 127.0;
    let (half, inverse) = (f16::from_f32(scale), inverse(scale));
    out[..2].copy_from_slice(&half.to_le_bytes());
    let quants = out[2..].iter_mut().zip(numbers);
    quants.for_each(|(quant, number)| *quant = ((number * inverse).round() as i8).cast_unsigned());
    half
}

/// The low halves of the bytes hold the first half of the numbers.
fn q4_0(numbers: &[f32], out: &mut [u8]) -> f16 {
    let scale = farthest(numbers) / -8.0;
    let (half, inverse) = (f16::from_f32(scale), inverse(scale));
    out[..2].copy_from_slice(&half.to_le_bytes());
    // Rounded once, as by the fused multiplication and addition of ggml's usual builds.
    let shifted = |number: f32| (f64::from(number) * f64::from(inverse) + 8.5) as f32;
    let quant = |number: f32| (shifted(number) as u8).min(15);
    let (low, high) = numbers.split_at(numbers.len() / 2);
    let pairs = out[2..].iter_mut().zip(low.iter().zip(high));
    pairs.for_each(|(byte, (&low, &high))| *byte = quant(low) | quant(high) << 4);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a row, and its numbers as they are read back.
    fn written(kind: TensorType, numbers: &[f32]) -> (Vec<u8>, Vec<f32>) {
        let mut bytes = vec![0; numbers.len() / kind.block() * kind.block_bytes()];
        assert_eq!(encode(kind, numbers, &mut bytes), None);
        let read = kind.dequantize(&bytes).unwrap_or_default();
        (bytes, read)
    }

    #[test]
    fn blocks_are_rounded_as_ggml_rounds_them() {
        let mut numbers = [0.0f32; 32];
        numbers[..6].copy_from_slice(&[-2.0, 2.0, 1.0, 0.124, -1.9, 0.126]);
        // Scale 2 / 127: half away from zero.
        let (bytes, read) = written(TensorType::Q8_0, &numbers);
        assert_eq!(f16::from_le_bytes([bytes[0], bytes[1]]), f16::from_f32(2.0 / 127.0));
        assert_eq!(
            bytes[2..8].iter().map(|&q| q.cast_signed()).collect::<Vec<_>>(),
            [-127, 127, 64, 8, -121, 8]
        );
        assert!(read.iter().zip(numbers).all(|(found, number)| (found - number).abs() < 0.009));
        // The first of those farthest from zero, -2, becomes -8; its opposite is cut to 7.
        let (bytes, read) = written(TensorType::Q4_0, &numbers);
        assert_eq!(f16::from_le_bytes([bytes[0], bytes[1]]).to_f32(), 0.25);
        assert_eq!(bytes[2..8], [0x80, 0x8f, 0x8c, 0x88, 0x80, 0x89]);
        assert_eq!(&read[..3], [-2.0, 1.75, 1.0]);
        assert_eq!(written(TensorType::Q4_0, &[0.0; 32]).1, [0.0; 32]);
    }

    /// Rows with zeros, ties and numbers of all sizes (`tests/parity/make_quantized.py`).
    #[test]
    fn every_block_is_that_of_llama_cpp_s_package() {
        let file = include_bytes!("../../../tests/fixtures/quantized.safetensors");
        let file = safetensors::SafeTensors::deserialize(file).unwrap();
        let (numbers, _) = file.tensor("numbers").unwrap().data().as_chunks::<4>();
        let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        for (kind, name) in [
            (TensorType::Q8_0, "Q8_0"),
            (TensorType::Q4_0, "Q4_0"),
            (TensorType::F16, "F16"),
            (TensorType::Bf16, "BF16"),
        ] {
            let expected = file.tensor(name).unwrap().data();
            let mut found = vec![0; expected.len()];
            assert_eq!(encode(kind, &numbers, &mut found), None, "{name}");
            let differ = found.iter().zip(expected).position(|(one, other)| one != other);
            assert_eq!(differ, None, "{name}: the first byte that differs");
        }
    }

    #[test]
    fn a_number_that_its_type_cannot_hold_is_said() {
        let mut numbers = [1.0f32; 64];
        numbers[40] = 1e6;
        let mut bytes = [0; 256];
        assert_eq!(encode(TensorType::F16, &numbers, &mut bytes), Some(40));
        assert_eq!(encode(TensorType::Bf16, &numbers, &mut bytes), None);
        numbers[40] = 1e8;
        assert_eq!(encode(TensorType::Q8_0, &numbers, &mut bytes), Some(32));
        assert_eq!(encode(TensorType::Q4_0, &numbers, &mut bytes), Some(32));
    }
}
