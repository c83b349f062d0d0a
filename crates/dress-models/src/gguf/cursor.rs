//! Numbers and texts as they stand in a GGUF header.

use super::header::{MAX_DIMENSIONS, MetadataArray, MetadataValue, RawInfo};

/// Reads from the front of some bytes and never beyond them.
pub(super) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Cursor<'a> {
    pub fn take(&mut self, len: u64) -> Result<&'a [u8], String> {
        let left = self.bytes.len() - self.at;
        if len > left as u64 {
            return Err(format!("it ends after {} bytes, in the middle of its header", self.bytes.len()));
        }
        let start = self.at;
        self.at += len as usize;
        Ok(&self.bytes[start..self.at])
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.take(N as u64)?;
        Ok(bytes.try_into().expect("as many bytes as were taken"))
    }

    pub fn u32(&mut self) -> Result<u32, String> {
        self.number().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, String> {
        self.number().map(u64::from_le_bytes)
    }

    pub fn text(&mut self) -> Result<&'a str, String> {
        let len = self.u64()?;
        std::str::from_utf8(self.take(len)?).map_err(|_| "a text in its header is not UTF-8".into())
    }

    pub fn value(&mut self, kind: u32) -> Result<MetadataValue<'a>, String> {
        use MetadataValue::{Array, Bool, Float, Signed, Text, Unsigned};
        Ok(match kind {
            0 => Unsigned(self.number::<1>()?[0].into()),
            1 => Signed(i8::from_le_bytes(self.number()?).into()),
            2 => Unsigned(u16::from_le_bytes(self.number()?).into()),
            3 => Signed(i16::from_le_bytes(self.number()?).into()),
            4 => Unsigned(self.u32()?.into()),
            5 => Signed(i32::from_le_bytes(self.number()?).into()),
            6 => Float(f32::from_le_bytes(self.number()?).into()),
            7 => Bool(self.number::<1>()?[0] != 0),
            8 => Text(self.text()?),
            9 => Array(self.array()?),
            10 => Unsigned(self.u64()?),
            11 => Signed(i64::from_le_bytes(self.number()?)),
            12 => Float(f64::from_le_bytes(self.number()?)),
            _ => return Err(format!("its header has a value of the unknown type {kind}")),
        })
    }

    /// Lists of lists are in no published file and would let a short file nest deeply.
    fn array(&mut self) -> Result<MetadataArray<'a>, String> {
        let (kind, len) = (self.u32()?, self.u64()?);
        let start = self.at;
        match kind {
            0..=7 | 10..=12 => {
                let size = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8][kind as usize];
                self.take(len.checked_mul(size).ok_or("a list in its header is too long")?)?;
            }
            8 => {
                for _ in 0..len {
                    self.text()?;
                }
            }
            _ => return Err(format!("its header has a list of the unknown type {kind}")),
        }
        Ok(MetadataArray { kind, len, bytes: &self.bytes[start..self.at] })
    }

    pub fn tensor_info(&mut self) -> Result<RawInfo, String> {
        let dimensions = self.u32()?;
        if dimensions > MAX_DIMENSIONS {
            return Err(format!("a tensor of {dimensions} dimensions is in its header"));
        }
        let (mut shape, mut elements) = (Vec::new(), 1u64);
        for _ in 0..dimensions {
            let size = self.u64()?;
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
        Ok(RawInfo { shape, elements, kind: self.u32()?, offset: self.u64()? })
    }
}
