//! The residual streams of the calibration blocks before a layer, in memory or in files.

use crate::{Error, LocalError};
use dress_core::burn::tensor::{Device, Tensor};
use dress_train::{Error as TrainError, RunDirectory, StreamFile, StreamWriter};
use std::path::{Path, PathBuf};

/// The streams of all calibration blocks at one place of the model. `[1, seq, hidden_size]` each
pub(crate) enum Streams {
    Memory(Vec<Tensor<3>>),
    File(StreamFile),
}

/// The streams of some blocks, one after the other.
pub(crate) type Blocks<'a> = &'a mut dyn Iterator<Item = Result<Tensor<3>, TrainError>>;

impl Streams {
    /// How many blocks there are.
    pub fn len(&self) -> usize {
        match self {
            Streams::Memory(blocks) => blocks.len(),
            Streams::File(file) => file.blocks(),
        }
    }

    /// The stream of one block.
    ///
    /// # Errors
    /// Those of [`StreamFile::block`].
    pub fn block(&self, index: usize) -> Result<Tensor<3>, TrainError> {
        match self {
            Streams::Memory(blocks) => Ok(blocks[index].clone()),
            Streams::File(file) => file.block(index),
        }
    }

    /// Every block as `through` makes it, each let go of as soon as it is handed out.
    pub fn through(
        self,
        mut through: impl FnMut(Tensor<3>) -> Tensor<3>,
    ) -> impl Iterator<Item = Result<Tensor<3>, TrainError>> {
        let blocks: Box<dyn Iterator<Item = Result<Tensor<3>, TrainError>>> = match self {
            Streams::Memory(blocks) => Box::new(blocks.into_iter().map(Ok)),
            Streams::File(file) => Box::new((0..file.blocks()).map(move |index| file.block(index))),
        };
        blocks.map(move |block| block.map(&mut through))
    }
}

/// Where streams wait until they are read.
pub(crate) enum StreamPlace<'a> {
    Memory,
    Files(StreamFiles<'a>),
}

/// Streams in files, one for each layer that is read next.
pub(crate) struct StreamFiles<'a> {
    /// Where those are that this run makes.
    pub directory: RunDirectory,
    /// Where others are that were made before, by this run or by another.
    pub shared: Option<&'a Path>,
    /// All that they depend on, but for the layer.
    pub key: String,
    /// Whether those of this run that are not what was written are made again.
    pub replaces_damaged: bool,
    pub device: Device,
}

impl StreamPlace<'_> {
    pub fn is_memory(&self) -> bool {
        matches!(self, StreamPlace::Memory)
    }

    /// The streams before `layer`, where they are kept.
    ///
    /// # Errors
    /// [`LocalError::StreamsOfAnother`] where they were made before and are others, and those of
    /// [`StreamFile::open`].
    pub fn at(&self, layer: usize) -> Result<Option<Streams>, Error> {
        match self {
            StreamPlace::Memory => Ok(None),
            StreamPlace::Files(files) => Ok(files.at(layer)?.map(Streams::File)),
        }
    }

    /// Those before the last layer up to `most` of which there are any, with its number.
    ///
    /// # Errors
    /// Those of [`StreamPlace::at`].
    pub fn latest(&self, most: usize) -> Result<Option<(usize, Streams)>, Error> {
        for layer in (0..=most).rev() {
            if let Some(found) = self.at(layer)? {
                return Ok(Some((layer, found)));
            }
        }
        Ok(None)
    }

    /// Keeps the streams of `count` blocks before `layer`.
    ///
    /// # Errors
    /// Those of `blocks` and of [`StreamWriter`].
    pub fn keep(&self, layer: usize, count: usize, blocks: Blocks<'_>) -> Result<Streams, Error> {
        match self {
            StreamPlace::Memory => Ok(Streams::Memory(blocks.collect::<Result<_, _>>()?)),
            StreamPlace::Files(files) => files.keep(layer, count, blocks),
        }
    }

    /// Lets go of the streams before `layer` that this run made.
    pub fn forget(&self, layer: usize) {
        if let StreamPlace::Files(files) = self {
            let _ = std::fs::remove_file(files.directory.stream(layer));
        }
    }
}

impl StreamFiles<'_> {
    fn at(&self, layer: usize) -> Result<Option<StreamFile>, Error> {
        let key = self.key(layer);
        if let Some(path) = self.shared(layer).filter(|path| path.exists()) {
            let found = StreamFile::open(&path, &key, &self.device)?;
            return Ok(Some(found.ok_or(LocalError::StreamsOfAnother { path })?));
        }
        match self.own(layer, &key) {
            Err(TrainError::StreamFile { .. }) if self.replaces_damaged => Ok(None),
            own => Ok(own?),
        }
    }

    /// Those that this run made. Where damaged ones are made again, every block is read to see that it is
    /// whole.
    fn own(&self, layer: usize, key: &str) -> Result<Option<StreamFile>, TrainError> {
        let found = StreamFile::open(&self.directory.stream(layer), key, &self.device)?;
        if let Some(file) = found.as_ref().filter(|_| self.replaces_damaged) {
            file.check()?;
        }
        Ok(found)
    }

    fn shared(&self, layer: usize) -> Option<PathBuf> {
        self.shared.map(|shared| RunDirectory::at(shared).stream(layer))
    }

    fn keep(&self, layer: usize, count: usize, blocks: Blocks<'_>) -> Result<Streams, Error> {
        let (path, key) = (self.directory.stream(layer), self.key(layer));
        let mut writer = StreamWriter::create(&path, &key, count)?;
        for block in blocks {
            writer.push(block?)?;
        }
        writer.finish()?;
        let written = StreamFile::open(&path, &key, &self.device)?;
        Ok(Streams::File(written.ok_or(LocalError::StreamsOfAnother { path })?))
    }

    fn key(&self, layer: usize) -> String {
        format!("{} before layer {layer}", self.key)
    }
}
