//! Keys and values as they are written into a GGUF header.

/// A value of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    #[cfg(test)]
    U16(u16),
    U32(u32),
    #[cfg(test)]
    I32(i32),
    F32(f32),
    F64(f64),
    Bool(bool),
    Text(String),
    Numbers(Vec<i32>),
    Floats(Vec<f32>),
    Texts(Vec<String>),
}

impl Entry {
    /// The number of its type and its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let typed = |kind: u32, value: &[u8]| [&kind.to_le_bytes()[..], value].concat();
        let list = |kind: u32, elements: Vec<Vec<u8>>| {
            let len = (elements.len() as u64).to_le_bytes();
            typed(9, &[&kind.to_le_bytes()[..], &len, &elements.concat()].concat())
        };
        match self {
            #[cfg(test)]
            Entry::U16(number) => typed(2, &number.to_le_bytes()),
            Entry::U32(number) => typed(4, &number.to_le_bytes()),
            #[cfg(test)]
            Entry::I32(number) => typed(5, &number.to_le_bytes()),
            Entry::F32(number) => typed(6, &number.to_le_bytes()),
            Entry::F64(number) => typed(12, &number.to_le_bytes()),
            Entry::Bool(truth) => typed(7, &[u8::from(*truth)]),
            Entry::Text(one) => typed(8, &text(one)),
            Entry::Numbers(numbers) => list(5, numbers.iter().map(|n| n.to_le_bytes().to_vec()).collect()),
            Entry::Floats(numbers) => list(6, numbers.iter().map(|n| n.to_le_bytes().to_vec()).collect()),
            Entry::Texts(texts) => list(8, texts.iter().map(|one| text(one)).collect()),
        }
    }
}

/// A text with its length before it.
pub(super) fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// What a header says of a tensor that lies at `offset` of the data, its extents outermost first.
pub(super) fn tensor_info(name: &str, shape: &[usize], kind: u32, offset: u64) -> Vec<u8> {
    let extents = shape.iter().rev().map(|&size| (size as u64).to_le_bytes());
    let extents = extents.collect::<Vec<_>>().concat();
    let dimensions = (shape.len() as u32).to_le_bytes();
    [&text(name)[..], &dimensions, &extents, &kind.to_le_bytes(), &offset.to_le_bytes()].concat()
}

/// The bytes before the data: a header of version 3 with these keys and the infos of so many tensors.
pub(super) fn header<'a>(
    entries: impl ExactSizeIterator<Item = (&'a str, &'a Entry)>,
    infos: &[Vec<u8>],
    alignment: usize,
) -> Vec<u8> {
    let counts = [infos.len() as u64, entries.len() as u64].map(u64::to_le_bytes).concat();
    let mut bytes = [&b"GGUF"[..], &3u32.to_le_bytes(), &counts].concat();
    entries.for_each(|(key, entry)| bytes.extend([text(key), entry.bytes()].concat()));
    bytes.extend(infos.concat());
    bytes.resize(bytes.len().next_multiple_of(alignment), 0);
    bytes
}
