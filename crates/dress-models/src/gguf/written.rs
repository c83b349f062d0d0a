//! GGUF headers for tests.

/// A value of the metadata.
pub enum Entry {
    U16(u16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Text(String),
    Numbers(Vec<i32>),
    Floats(Vec<f32>),
    Texts(Vec<String>),
}

/// A list of texts.
pub fn texts(list: &[&str]) -> Entry {
    Entry::Texts(list.iter().map(ToString::to_string).collect())
}

/// A file of version 3 with this metadata and no tensors.
pub fn header_of(entries: &[(&str, Entry)]) -> Vec<u8> {
    file_of(entries, &[])
}

/// A file of version 3 with this metadata and tensors of these shapes, outermost extent first, full of ones.
pub fn file_of(entries: &[(&str, Entry)], tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3u32.to_le_bytes());
    bytes.extend([tensors.len() as u64, entries.len() as u64].map(u64::to_le_bytes).concat());
    for (key, entry) in entries {
        bytes.extend(text(key));
        bytes.extend(value(entry));
    }
    let mut data = Vec::new();
    for (name, shape) in tensors {
        bytes.extend(text(name));
        bytes.extend((shape.len() as u32).to_le_bytes());
        shape.iter().rev().for_each(|&size| bytes.extend((size as u64).to_le_bytes()));
        bytes.extend(0u32.to_le_bytes());
        bytes.extend((data.len() as u64).to_le_bytes());
        data.extend(1f32.to_le_bytes().repeat(shape.iter().product()));
        data.resize(data.len().next_multiple_of(32), 0);
    }
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    [bytes, data].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

fn value(entry: &Entry) -> Vec<u8> {
    let typed = |kind: u32, value: Vec<u8>| [kind.to_le_bytes().to_vec(), value].concat();
    let list = |kind: u32, elements: Vec<Vec<u8>>| {
        let len = (elements.len() as u64).to_le_bytes().to_vec();
        typed(9, typed(kind, [len, elements.concat()].concat()))
    };
    match entry {
        Entry::U16(number) => typed(2, number.to_le_bytes().to_vec()),
        Entry::U32(number) => typed(4, number.to_le_bytes().to_vec()),
        Entry::I32(number) => typed(5, number.to_le_bytes().to_vec()),
        Entry::F32(number) => typed(6, number.to_le_bytes().to_vec()),
        Entry::Bool(truth) => typed(7, vec![u8::from(*truth)]),
        Entry::Text(one) => typed(8, text(one)),
        Entry::Numbers(numbers) => list(5, numbers.iter().map(|n| n.to_le_bytes().to_vec()).collect()),
        Entry::Floats(numbers) => list(6, numbers.iter().map(|n| n.to_le_bytes().to_vec()).collect()),
        Entry::Texts(texts) => list(8, texts.iter().map(|one| text(one)).collect()),
    }
}
