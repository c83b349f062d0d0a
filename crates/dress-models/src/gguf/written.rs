//! GGUF headers for tests.

pub(super) use super::entry::Entry;
use super::entry::{header, tensor_info};

/// A list of texts.
pub(super) fn texts(list: &[&str]) -> Entry {
    Entry::Texts(list.iter().map(ToString::to_string).collect())
}

/// A file of version 3 with this metadata and no tensors.
pub(super) fn header_of(entries: &[(&str, Entry)]) -> Vec<u8> {
    file_of(entries, &[])
}

/// A file of version 3 with this metadata and tensors of these shapes, outermost extent first, full of ones.
pub(super) fn file_of(entries: &[(&str, Entry)], tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let (mut data, mut infos) = (Vec::new(), Vec::new());
    for (name, shape) in tensors {
        infos.push(tensor_info(name, shape, 0, data.len() as u64));
        data.extend(1f32.to_le_bytes().repeat(shape.iter().product()));
        data.resize(data.len().next_multiple_of(32), 0);
    }
    [header(entries.iter().map(|(key, entry)| (*key, entry)), &infos, 32), data].concat()
}
