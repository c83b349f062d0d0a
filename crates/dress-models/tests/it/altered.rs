//! Fixtures with other tensors in them.

use crate::reference::copy_of;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Tensors by name: type, shape and bytes.
pub type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

pub fn read(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter();
    tensors.map(|(name, view)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))).collect()
}

pub fn write(tensors: &Tensors, path: &Path) {
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

/// A copy of a fixture with one weights file, whose tensors are changed.
pub fn altered(name: &str, change: impl FnOnce(&mut Tensors)) -> tempfile::TempDir {
    let copy = copy_of(name);
    let path = copy.path().join("model.safetensors");
    let mut tensors = read(&path);
    change(&mut tensors);
    write(&tensors, &path);
    copy
}

/// Every tensor under another name.
pub fn renamed(tensors: &mut Tensors, name: impl Fn(&str) -> String) {
    *tensors = std::mem::take(tensors).into_iter().map(|(old, tensor)| (name(&old), tensor)).collect();
}

/// Changes the text of a `config.json`.
pub fn edit_config(directory: &Path, from: &str, to: &str) {
    let path = directory.join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// What an error says. A program that prints an error and its sources says each cause once.
pub fn said(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |source| source.source());
    let text = error.to_string();
    for cause in sources {
        assert!(!text.contains(&cause.to_string()), "`{text}` says `{cause}`, which is its source too");
    }
    text
}
