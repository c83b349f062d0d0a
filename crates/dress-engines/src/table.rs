//! The engines that are known: those that ship, and those that a user adds.

use crate::{Engine, EngineFormat, Error};
use std::path::Path;
use std::sync::Arc;

/// The files that come with this crate.
const BUILT_IN: [&str; 14] = [
    include_str!("files/llama_cpp.toml"),
    include_str!("files/llama_cpp_b10361.toml"),
    include_str!("files/transformers.toml"),
    include_str!("files/vllm.toml"),
    include_str!("files/mlx.toml"),
    include_str!("files/ctranslate2.toml"),
    include_str!("files/mistral_rs.toml"),
    include_str!("files/keras_hub.toml"),
    include_str!("files/litgpt.toml"),
    include_str!("files/torchao.toml"),
    include_str!("files/bitsandbytes.toml"),
    include_str!("files/llmcompressor.toml"),
    include_str!("files/openvino.toml"),
    include_str!("files/onnxruntime_genai.toml"),
];

/// Engines by their names.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineTable {
    engines: Vec<Arc<Engine>>,
}

impl EngineTable {
    /// The name that stands for every format of every engine.
    pub const ALL: &'static str = "all";

    /// The engines that come with this crate.
    pub fn built_in() -> Self {
        let mut table = Self { engines: Vec::new() };
        for text in BUILT_IN {
            let engine = Engine::read(text).and_then(|engine| table.add(engine));
            engine.expect("a test reads every built-in file");
        }
        table
    }

    /// The same with the engine of a file of one's own, in the place of one that has its name.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::EngineFile`].
    pub fn with_file(mut self, path: &Path) -> Result<Self, Error> {
        let io = |cause| Error::Io { path: path.into(), cause };
        let text = dress_core::files::read_to_string(path).map_err(io)?;
        let added = Engine::read(&text).and_then(|engine| self.add(engine));
        added.map_err(|reason| Error::EngineFile { path: path.into(), reason })?;
        Ok(self)
    }

    /// Adds an engine, with the architectures of the one that it loads like.
    fn add(&mut self, mut engine: Engine) -> Result<(), String> {
        if let Some(other) = &engine.loads_like {
            let found = self
                .engine(other)
                .ok_or_else(|| format!("`loads_like` is `{other}`, and the engines are {}", self.names()))?;
            let mut architectures = found.architectures.clone();
            architectures.append(&mut engine.architectures);
            engine.architectures = architectures;
        }
        self.engines.retain(|other| other.name != engine.name);
        self.engines.push(Arc::new(engine));
        Ok(())
    }

    /// The engines in the order in which they were added.
    pub fn engines(&self) -> impl Iterator<Item = &Engine> {
        self.engines.iter().map(|engine| &**engine)
    }

    /// Every format of every engine.
    pub fn all_formats(&self) -> Vec<EngineFormat> {
        let formats = |engine: &Arc<Engine>| {
            let of = |format: &String| EngineFormat::new(engine.clone(), format);
            engine.formats.keys().filter_map(of).collect::<Vec<_>>()
        };
        self.engines.iter().flat_map(formats).collect()
    }

    /// The format of one name: an engine and one of its formats as `llama.cpp:q8_0`, or an engine alone for
    /// its default.
    ///
    /// # Errors
    /// [`Error::UnknownEngine`] and [`Error::UnknownFormat`], with the names there are.
    ///
    /// # Examples
    /// ```
    /// use dress_engines::EngineTable;
    ///
    /// let table = EngineTable::built_in();
    /// assert_eq!(table.format("llama.cpp")?, table.format("llama.cpp:f16")?);
    /// assert!(table.format("llama.cpp:q9").unwrap_err().to_string().contains("q4_k_m"));
    /// # Ok::<(), dress_engines::Error>(())
    /// ```
    pub fn format(&self, name: &str) -> Result<EngineFormat, Error> {
        let (engine_name, format) =
            name.split_once(':').map_or((name, None), |(engine, format)| (engine, Some(format)));
        let unknown = || Error::UnknownEngine { name: engine_name.into(), known: self.names() };
        let engine = self.engine(engine_name).ok_or_else(unknown)?;
        let format = format.unwrap_or(&engine.default);
        EngineFormat::new(engine.clone(), format).ok_or_else(|| Error::UnknownFormat {
            engine: engine.name.clone(),
            name: format.into(),
            known: engine.formats.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }

    /// The formats of several names, each once; `all` stands for all of them.
    ///
    /// # Errors
    /// Those of [`EngineTable::format`].
    pub fn formats(&self, names: &[impl AsRef<str>]) -> Result<Vec<EngineFormat>, Error> {
        let mut formats: Vec<EngineFormat> = Vec::new();
        for name in names.iter().map(AsRef::as_ref) {
            let found = if name == Self::ALL { self.all_formats() } else { vec![self.format(name)?] };
            for format in found {
                if !formats.contains(&format) {
                    formats.push(format);
                }
            }
        }
        Ok(formats)
    }

    fn engine(&self, name: &str) -> Option<&Arc<Engine>> {
        self.engines.iter().find(|engine| engine.name == name)
    }

    fn names(&self) -> String {
        self.engines.iter().map(|engine| engine.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl Default for EngineTable {
    fn default() -> Self {
        Self::built_in()
    }
}
