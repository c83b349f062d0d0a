//! The checkpoints of a [`ShiftLm`].

use crate::{ShiftConfig, ShiftLm};
use dress_core::burn::tensor::Device;
use dress_models::{Error, Family, TensorNames};
use std::fmt;
use std::path::Path;

/// A configuration without layers.
#[derive(Debug, PartialEq)]
pub struct NoLayers;

impl fmt::Display for NoLayers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`inner` is empty; give the neurons of each layer")
    }
}

impl std::error::Error for NoLayers {}

impl Family for ShiftLm {
    const NAMES: TensorNames =
        TensorNames { prefixes: &[], heads: &["head.weight"], embeddings: &["embed.weight"] };

    fn from_config(text: &str, path: &Path, device: &Device) -> Result<Self, Error> {
        let unreadable = |cause| Error::ConfigUnreadable { path: path.into(), cause };
        let config: ShiftConfig = serde_json::from_str(text).map_err(unreadable)?;
        if config.inner.is_empty() {
            return Err(Error::ConfigRefused { path: path.into(), cause: NoLayers.into() });
        }
        Ok(Self::of_config(config, device))
    }

    fn config_json(&self, torch_dtype: &str) -> String {
        let mut config = serde_json::to_value(self.config()).expect("numbers are JSON");
        config["model_type"] = "shift".into();
        config["torch_dtype"] = torch_dtype.into();
        format!("{config:#}")
    }
}
