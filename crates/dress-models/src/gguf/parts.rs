//! The files of one GGUF model: one that is whole, or all parts of a split one.

use super::{GgufHeader, GgufHeaderError, TensorInfo};
use crate::Error;
use memmap2::Mmap;
use std::path::{Path, PathBuf};

/// The memory maps of all files of a model, the one that was asked for first.
#[derive(Debug)]
pub(super) struct Parts(Vec<(PathBuf, Mmap)>);

impl Parts {
    /// Maps a file and, where it is the first part of a split model, the other parts beside it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Gguf`], and [`Error::GgufUnsupported`] where a part is missing, is another
    /// model's or is not the first.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let first = map(path)?;
        let split = Split::of(&parse(&first, path)?);
        let mut files = vec![(path.to_path_buf(), first)];
        let Some(split) = split else { return Ok(Self(files)) };
        for other in split.others(path).map_err(unsupported(path))? {
            let mapped = map_part(&other, files.len(), &split)?;
            files.push((other, mapped));
        }
        let parts = Self(files);
        parts.check_count()?;
        Ok(parts)
    }

    /// The metadata of the first file and the tensors of all.
    ///
    /// # Errors
    /// [`Error::Gguf`], and [`Error::GgufUnsupported`] where two parts have the same tensor.
    pub fn header(&self) -> Result<GgufHeader<'_>, Error> {
        let mut headers = self.0.iter().map(|(path, map)| parse(map, path));
        let mut whole = headers.next().expect("a model has a file")?;
        for (part, header) in headers.enumerate() {
            for (name, info) in header?.tensors {
                if whole.tensors.insert(name, TensorInfo { part: part + 1, ..info }).is_some() {
                    let what = format!("tensor `{name}` is in two parts of the model; split it anew");
                    return Err(unsupported(&self.0[part + 1].0)(what));
                }
            }
        }
        Ok(whole)
    }

    /// The bytes of a tensor.
    pub fn bytes(&self, info: &TensorInfo) -> &[u8] {
        &self.0[info.part].1[info.start..info.start + info.len]
    }

    /// The file that was asked for.
    pub fn path(&self) -> &Path {
        &self.0[0].0
    }

    /// The file that a tensor is in.
    pub fn file_of(&self, info: &TensorInfo) -> &Path {
        &self.0[info.part].0
    }

    /// The bytes of the largest file's tensors, where there are several files.
    pub fn largest_part(&self) -> Option<u64> {
        let bytes = self.0.iter().map(|(_, map)| map.len() as u64);
        bytes.max().filter(|_| self.0.len() > 1)
    }

    /// Checks that the parts have as many tensors as the first says.
    fn check_count(&self) -> Result<(), Error> {
        let header = self.header()?;
        let said = header.metadata.get("split.tensors.count").and_then(|count| count.unsigned());
        let found = header.tensors.len() as u64;
        let what = match said {
            Some(said) if said == found => return Ok(()),
            Some(said) => format!("its split.tensors.count is {said}, and its {} parts", self.0.len()),
            None => format!("it has no split.tensors.count, and its {} parts", self.0.len()),
        };
        let what = format!("{what} have {found} tensors; download all parts again");
        Err(unsupported(self.path())(what))
    }
}

/// Which part of how many a file is.
struct Split {
    part: u64,
    count: u64,
}

impl Split {
    /// What a header says, where it is of a split model.
    fn of(header: &GgufHeader<'_>) -> Option<Self> {
        let number = |key: &str| header.metadata.get(key).and_then(|value| value.unsigned());
        // The format's number has 16 bits: a larger one is damage, which no list of names is made for.
        let count = number("split.count").filter(|&count| count > 1)?.min(u16::MAX.into());
        Some(Self { part: number("split.no").unwrap_or(0), count })
    }

    /// Where the other parts of a first part are.
    fn others(&self, path: &Path) -> Result<Vec<PathBuf>, String> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let part = self.part.saturating_add(1);
        let this = format!("is part {part} of {} of one model", self.count);
        let ending = |part: u64| format!("-{part:05}-of-{:05}.gguf", self.count);
        let Some(stem) = name.strip_suffix(&ending(part)) else {
            return Err(format!(
                "{this}, and parts are found by their names: call this one `NAME{}` and the others likewise, or join \
                 them with `llama-gguf-split --merge FIRST_PART WHOLE.gguf`",
                ending(part)
            ));
        };
        if self.part != 0 {
            return Err(format!(
                "{this}; give the first, {stem}{}, beside which the others are found, or join them with \
                 `llama-gguf-split --merge FIRST_PART WHOLE.gguf`",
                ending(1)
            ));
        }
        let others = (2..=self.count).map(|part| path.with_file_name(format!("{stem}{}", ending(part))));
        Ok(others.collect())
    }
}

/// Maps a part other than the first, which says of itself that it is this one.
fn map_part(path: &Path, part: usize, split: &Split) -> Result<Mmap, Error> {
    let this = format!("part {} of {}", part + 1, split.count);
    if !path.exists() {
        let what = format!("{this} of the model is missing; download it, or give a whole file");
        return Err(unsupported(path)(what));
    }
    let mapped = map(path)?;
    let found = Split::of(&parse(&mapped, path)?);
    match found {
        Some(found) if (found.part, found.count) == (part as u64, split.count) => Ok(mapped),
        Some(found) => {
            let found = format!("part {} of {}", found.part.saturating_add(1), found.count);
            Err(unsupported(path)(format!(
                "its name says {this}, and its split.no and split.count {found}; {AGAIN}"
            )))
        }
        None => Err(unsupported(path)(format!(
            "its name says {this}, and its metadata has no split.count; {AGAIN}"
        ))),
    }
}

const AGAIN: &str = "download all parts again";

fn map(path: &Path) -> Result<Mmap, Error> {
    let file = dress_core::files::open(path).map_err(Error::io(path, "cannot be opened"))?;
    // SAFETY: the map is only read. A file that another process cuts short while it is mapped
    // raises SIGBUS, as for every program that maps its weights; checkpoints are not edited
    // in place.
    #[allow(unsafe_code)]
    unsafe { Mmap::map(&file) }.map_err(Error::io(path, "cannot be mapped"))
}

fn parse<'a>(map: &'a Mmap, path: &Path) -> Result<GgufHeader<'a>, Error> {
    let path = || path.into();
    GgufHeader::parse(map).map_err(|error| match error {
        GgufHeaderError::Damaged { reason } => Error::Gguf { path: path(), reason },
        unread => Error::GgufUnsupported { path: path(), what: unread.to_string() },
    })
}

/// What a file has that is not read.
pub(super) fn unsupported(path: &Path) -> impl Fn(String) -> Error {
    move |what| Error::GgufUnsupported { path: path.into(), what }
}

#[cfg(test)]
mod tests {
    use super::super::written::{Entry, file_of};
    use super::*;

    /// Writes part `number` of `count` with one tensor, of a model that has `tensors` in all.
    fn write(directory: &Path, name: &str, [number, count]: [u16; 2], tensors: i32) {
        let keys = [
            ("split.no", Entry::U16(number)),
            ("split.count", Entry::U16(count)),
            ("split.tensors.count", Entry::I32(tensors)),
        ];
        let tensor = format!("tensor.{number}");
        std::fs::write(directory.join(name), file_of(&keys, &[(&tensor, &[2, 2 + usize::from(number)])]))
            .unwrap();
    }

    fn split(count: u16) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..count {
            let name = format!("m-{:05}-of-{count:05}.gguf", number + 1);
            write(directory.path(), &name, [number, count], count.into());
        }
        let first = directory.path().join(format!("m-00001-of-{count:05}.gguf"));
        (directory, first)
    }

    fn refusal(path: &Path) -> String {
        Parts::open(path).unwrap_err().to_string()
    }

    #[test]
    fn the_first_part_leads_to_the_tensors_of_all() {
        let (_directory, first) = split(3);
        let parts = Parts::open(&first).unwrap();
        let header = parts.header().unwrap();
        let found: Vec<(&str, usize, usize)> =
            header.tensors.iter().map(|(name, info)| (*name, info.part, parts.bytes(info).len())).collect();
        assert_eq!(found, [("tensor.0", 0, 16), ("tensor.1", 1, 24), ("tensor.2", 2, 32)]);
        assert!(parts.file_of(&header.tensors["tensor.2"]).ends_with("m-00003-of-00003.gguf"));
        assert!(parts.largest_part().is_some());
    }

    #[test]
    fn a_part_that_is_missing_is_an_error_that_names_it() {
        let (directory, first) = split(3);
        std::fs::remove_file(directory.path().join("m-00002-of-00003.gguf")).unwrap();
        let message = refusal(&first);
        assert!(message.contains("m-00002-of-00003.gguf: part 2 of 3 of the model is missing"), "{message}");
    }

    #[test]
    fn another_part_than_the_first_is_an_error_that_names_the_first() {
        let (directory, _) = split(2);
        let message = refusal(&directory.path().join("m-00002-of-00002.gguf"));
        assert!(message.contains("is part 2 of 2") && message.contains("m-00001-of-00002.gguf"), "{message}");
    }

    #[test]
    fn parts_that_do_not_belong_together_are_an_error() {
        let (directory, first) = split(2);
        let second = "m-00002-of-00002.gguf";
        write(directory.path(), second, [0, 2], 2);
        assert!(refusal(&first).contains("split.no and split.count part 1 of 2"), "{}", refusal(&first));
        write(directory.path(), second, [1, 3], 2);
        assert!(refusal(&first).contains("split.no and split.count part 2 of 3"), "{}", refusal(&first));
        std::fs::write(directory.path().join(second), file_of(&[], &[])).unwrap();
        assert!(refusal(&first).contains("has no split.count"), "{}", refusal(&first));
        let twice = [("split.no", Entry::U16(1)), ("split.count", Entry::U16(2))];
        std::fs::write(directory.path().join(second), file_of(&twice, &[("tensor.0", &[1])])).unwrap();
        assert!(refusal(&first).contains("`tensor.0` is in two parts"), "{}", refusal(&first));
    }

    #[test]
    fn parts_with_another_count_of_tensors_than_is_said_are_an_error() {
        let (directory, first) = split(2);
        write(directory.path(), "m-00001-of-00002.gguf", [0, 2], 5);
        let message = refusal(&first);
        assert!(
            message.contains("split.tensors.count is 5") && message.contains("have 2 tensors"),
            "{message}"
        );
    }

    #[test]
    fn a_file_that_is_split_into_one_is_whole() {
        let (_directory, first) = split(1);
        assert_eq!(Parts::open(&first).unwrap().largest_part(), None);
    }
}
