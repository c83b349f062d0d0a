//! Which of the weights that lie in a directory are read.

use crate::Error;
use crate::name_lists::ten;
use std::path::{Path, PathBuf};

pub(super) const SAFETENSORS: &str = "model.safetensors";
pub(super) const SAFETENSORS_INDEX: &str = "model.safetensors.index.json";
pub(super) const PYTORCH: &str = "pytorch_model.bin";
pub(super) const PYTORCH_INDEX: &str = "pytorch_model.bin.index.json";

/// What `transformers` looks for, in its order.
const IN_ORDER: [&str; 4] = [SAFETENSORS, SAFETENSORS_INDEX, PYTORCH, PYTORCH_INDEX];

/// The weights of a directory that are read, and those that are there as well.
pub(super) struct WeightSet {
    /// A weights file, or an index of several.
    pub read: PathBuf,
    /// The names of files that are left alone.
    left: Vec<&'static str>,
}

impl WeightSet {
    /// Finds a directory's weights: one file goes before an index of several, safetensors before what
    /// `torch.save` wrote, and where none of these is there a single `.pt` or `.pth` file will do.
    ///
    /// # Errors
    /// [`Error::WeightsMissing`].
    pub fn find(directory: &Path) -> Result<Self, Error> {
        // A pipe under such a name is refused by whoever opens it.
        let is_there = |path: PathBuf| path.exists() && !path.is_dir();
        let mut there = IN_ORDER.into_iter().filter(|name| is_there(directory.join(name)));
        if let Some(first) = there.next() {
            return Ok(Self { read: directory.join(first), left: there.collect() });
        }
        match only_of_pytorch(directory) {
            Some(read) => Ok(Self { read, left: Vec::new() }),
            None => Err(Error::WeightsMissing { path: directory.into(), hint: hint(directory) }),
        }
    }

    /// Whether it is in PyTorch's format.
    pub fn is_pytorch(&self) -> bool {
        !self.read.ends_with(SAFETENSORS) && !self.read.ends_with(SAFETENSORS_INDEX)
    }

    /// Says that there is more than one set of weights, where there is.
    pub fn warning(&self) -> Option<String> {
        let left = (!self.left.is_empty()).then(|| ten(&self.left))?;
        Some(format!(
            "{}: this file is read, and {left} beside it is not, as in transformers; remove what is out of date",
            self.read.display()
        ))
    }
}

fn only_of_pytorch(directory: &Path) -> Option<PathBuf> {
    let is_weights = |path: &PathBuf| path.extension().is_some_and(|e| e == "pt" || e == "pth");
    let mut others = std::fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let first = others.find(is_weights)?;
    others.find(is_weights).is_none().then_some(first)
}

/// What is known of the weights that are not where they are looked for.
fn hint(directory: &Path) -> String {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    let endings = [".safetensors", ".bin", ".pt", ".pth", ".gguf"];
    let mut weights: Vec<String> =
        names.filter(|name| endings.iter().any(|ending| name.ends_with(ending))).collect();
    weights.sort();
    if weights.is_empty() {
        return "download the weights of this checkpoint".into();
    }
    let what = match weights.iter().find(|name| name.contains("-of-")) {
        Some(_) => "files without their index, which has to be downloaded too",
        None if weights.iter().any(|name| name.starts_with("adapter_model")) => {
            "an adapter, which has to be merged into its base model first (PEFT's merge_and_unload)"
        }
        None => {
            "which is read where it is called model.safetensors or pytorch_model.bin, or given itself if it is GGUF"
        }
    };
    format!("there is {}: {what}", ten(&weights))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Result<WeightSet, Error> {
        let directory = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| std::fs::write(directory.path().join(name), "").unwrap());
        WeightSet::find(directory.path())
    }

    #[test]
    fn a_whole_file_goes_before_an_index_and_safetensors_before_pytorch() {
        for left in 0..IN_ORDER.len() {
            let set = of(&IN_ORDER[left..]).unwrap();
            assert!(set.read.ends_with(IN_ORDER[left]));
            assert_eq!(set.is_pytorch(), left >= 2);
            match set.warning() {
                Some(said) => IN_ORDER[left..].iter().for_each(|name| assert!(said.contains(name), "{said}")),
                None => assert_eq!(left, 3),
            }
        }
        assert!(of(&["weights.pth"]).unwrap().is_pytorch());
    }

    #[test]
    fn weights_under_another_name_are_named() {
        for (names, said) in [
            (["model.fp16.safetensors"].as_slice(), "model.fp16.safetensors"),
            (&["model-00001-of-00002.safetensors"], "index"),
            (&["adapter_model.safetensors"], "merge_and_unload"),
            (&["one.pt", "two.pt"], "one.pt, two.pt"),
            (&[], "download"),
        ] {
            let message = of(names).err().unwrap().to_string();
            assert!(message.contains(said), "{message}");
        }
    }
}
