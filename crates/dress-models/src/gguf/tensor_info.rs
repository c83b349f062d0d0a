//! What a GGUF header says of one tensor.

use super::TensorType;
use super::cursor::Cursor;

/// As many as ggml has.
const MAX_DIMENSIONS: u32 = 4;

/// Where a tensor lies and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Extents, outermost first (the file has them innermost first).
    pub shape: Vec<usize>,
    /// How its numbers are written.
    pub kind: TensorType,
    /// The first byte, counted from the start of the file.
    pub start: usize,
    /// How many bytes.
    pub len: usize,
    /// Which of the files of a split model it is in, counted from 0.
    pub part: usize,
}

/// What a header says of a tensor.
pub(super) struct RawInfo {
    pub shape: Vec<usize>,
    pub elements: u64,
    pub kind: u32,
    pub offset: u64,
}

impl RawInfo {
    pub fn read(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        let dimensions = cursor.u32()?;
        if dimensions > MAX_DIMENSIONS {
            return Err(format!("a tensor of {dimensions} dimensions is in its header"));
        }
        let (mut shape, mut elements) = (Vec::new(), 1u64);
        for _ in 0..dimensions {
            let size = cursor.u64()?;
            if size == 0 {
                return Err("a tensor without numbers is in its header".into());
            }
            elements = elements.checked_mul(size).ok_or("a tensor in its header is too large")?;
            shape.insert(0, usize::try_from(size).map_err(|_| "a tensor in its header is too large")?);
        }
        // ggml has four extents everywhere, so that those of 1 that go before a matrix say nothing.
        while shape.len() > 2 && shape[0] == 1 {
            shape.remove(0);
        }
        Ok(Self { shape, elements, kind: cursor.u32()?, offset: cursor.u64()? })
    }

    /// Where the tensor lies in a file of `file` bytes whose data begin at `data`.
    pub fn place(self, kind: TensorType, data: u64, file: u64) -> Result<TensorInfo, String> {
        if self.shape.len() < 2 && kind.block() > 1 {
            return Err("is a vector in blocks, as no program writes them".into());
        }
        let row = *self.shape.last().unwrap_or(&1);
        if !row.is_multiple_of(kind.block()) {
            return Err(format!("has rows of {row}, which are no whole blocks of {}", kind.block()));
        }
        let blocks = self.elements / kind.block() as u64;
        let len = blocks.checked_mul(kind.block_bytes() as u64).ok_or("is too large")?;
        let start = data.checked_add(self.offset).ok_or("lies beyond the file")?;
        match start.checked_add(len) {
            Some(end) if end <= file => {}
            _ => return Err(format!("of {len} bytes at {start} lies beyond the file of {file}")),
        }
        Ok(TensorInfo { shape: self.shape, kind, start: start as usize, len: len as usize, part: 0 })
    }
}
