//! An engine, as its file says it.

use crate::{Architecture, Format, WeightType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an engine loads, and what becomes of the weights in each of its formats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Its name, without `:` and commas.
    pub name: String,
    /// The versions that its rules were seen of, and when.
    pub tried: String,
    /// The format that its name alone means.
    pub default: String,
    /// What else is known of it.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Another engine of the table whose architectures it has.
    pub loads_like: Option<String>,
    /// The families that it loads, by their name in `config.json`'s `architectures`.
    #[serde(default)]
    pub architectures: BTreeMap<String, Architecture>,
    /// Its types of weights.
    #[serde(default)]
    pub types: BTreeMap<String, WeightType>,
    /// Its formats.
    pub formats: BTreeMap<String, Format>,
}

impl Engine {
    /// Reads the text of an engine's file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let engine: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_string())?;
        match engine.fault() {
            Some(fault) => Err(fault),
            None => Ok(engine),
        }
    }

    /// A type and what takes its place where rows are no whole blocks of it, one after the other.
    pub(crate) fn types_from<'a>(&'a self, name: &str) -> impl Iterator<Item = (&'a str, &'a WeightType)> {
        let first = self.weight_type(name);
        std::iter::successors(first, |(_, weight_type)| self.weight_type(weight_type.otherwise.as_deref()?))
    }

    fn weight_type(&self, name: &str) -> Option<(&str, &WeightType)> {
        let stored = || (name == WeightType::STORED).then_some((WeightType::STORED, &WeightType::AS_STORED));
        let found = self.types.get_key_value(name);
        found.map(|(name, weight_type)| (name.as_str(), weight_type)).or_else(stored)
    }

    /// What is wrong with it, if anything is.
    fn fault(&self) -> Option<String> {
        let bad = |name: &str| name.is_empty() || name.contains([':', ',']) || name == "all";
        if let Some(name) = std::iter::once(&self.name).chain(self.formats.keys()).find(|name| bad(name)) {
            return Some(format!(
                "`{name}` is no name: it may not be empty or `all`, or have a colon or a comma in it"
            ));
        }
        if !self.formats.contains_key(&self.default) {
            let known = self.formats.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Some(format!("`default` is `{}`, and the formats are {known}", self.default));
        }
        let types =
            self.types.iter().find_map(|(name, found)| Some((format!("types.{name}"), found.fault()?)));
        let formats = || {
            self.formats.iter().find_map(|(name, found)| Some((format!("formats.{name}"), found.fault()?)))
        };
        let families = || {
            let mut all = self.architectures.iter();
            all.find_map(|(name, found)| Some((format!("architectures.{name}"), found.fault()?)))
        };
        let fault = types.or_else(formats).or_else(families);
        fault.map(|(place, fault)| format!("{place}: {fault}")).or_else(|| self.fault_of_names())
    }

    /// A type that is named and not there, or that takes its own place.
    fn fault_of_names(&self) -> Option<String> {
        let otherwise =
            self.types.iter().filter_map(|(name, found)| Some((name, found.otherwise.as_deref()?)));
        let mut named: Vec<(String, &str)> =
            otherwise.map(|(name, other)| (format!("types.{name}.otherwise"), other)).collect();
        for (name, format) in &self.formats {
            named.extend(format.types().map(|weight_type| (format!("formats.{name}"), weight_type)));
        }
        if let Some((place, name)) = named.iter().find(|(_, name)| self.weight_type(name).is_none()) {
            let known = self.types.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Some(format!("{place}: there is no type `{name}`; there are stored, {known}"));
        }
        // A chain that is longer than there are types comes round again.
        let round = |name: &&String| self.types_from(name).nth(self.types.len() + 1).is_some();
        let name = self.types.keys().find(round)?;
        Some(format!("types.{name}: what takes its place leads back to it"))
    }
}
