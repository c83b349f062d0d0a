//! An engine with one of its formats.

use crate::{Engine, Format, ModelShape, Verdict};
use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// An engine with one of its formats, such as `llama.cpp:q4_k_m`: what serves a model.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineFormat {
    engine: Arc<Engine>,
    format: String,
}

impl EngineFormat {
    /// A format that the engine has.
    pub(crate) fn new(engine: Arc<Engine>, format: &str) -> Option<Self> {
        engine.formats.contains_key(format).then(|| Self { engine, format: format.into() })
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Writes formats with all that their engines' files say, for a hash of what a result depends on.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize_whole<S: Serializer>(formats: &[Self], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(formats.iter().map(|format| (&format.format, &*format.engine)))
    }

    /// The name of the format.
    pub fn format_name(&self) -> &str {
        &self.format
    }

    pub(crate) fn format(&self) -> &Format {
        &self.engine.formats[&self.format]
    }

    /// Whether most weights get a type of less than 16 bits a number.
    pub fn is_quantized(&self) -> bool {
        let mut types = self.engine.types_from(&self.format().weights);
        types.next().is_some_and(|(_, weight_type)| weight_type.is_quantized())
    }

    /// Why no model of a family comes out right, whatever its shape, if none does.
    pub fn without_family(&self, architecture: &str) -> Option<String> {
        let Some(found) = self.engine.architectures.get(architecture) else {
            return Some(format!("it has no {architecture}"));
        };
        found.refuses.clone().or_else(|| found.wrong.clone())
    }

    /// Whether a model is loaded.
    pub fn verdict(&self, shape: &ModelShape) -> Verdict {
        let name = shape.architecture();
        let Some(architecture) = self.engine.architectures.get(name) else {
            return Verdict::refused(&format!("it has no {name}"));
        };
        let verdict = architecture.verdict(shape);
        match self.serve(shape).refused().next() {
            Some(weight) if verdict.is_right() => {
                let numbers =
                    self.engine.types_from(&weight.wanted).last().map_or(1, |(_, found)| found.multiple());
                let (name, row) = (&weight.name, weight.row);
                Verdict::refused(&format!("rows of {row} are not a multiple of {numbers} ({name})"))
            }
            _ => verdict,
        }
    }
}

/// `engine`, or `engine:format` where it is not the engine's default.
impl fmt::Display for EngineFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.engine.name)?;
        match self.format == self.engine.default {
            true => Ok(()),
            false => write!(f, ":{}", self.format),
        }
    }
}

impl Serialize for EngineFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
