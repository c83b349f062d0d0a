//! Where models are computed, and as what.

use crate::Error;
use dress::ResultFile;
use dress_core::burn::tensor::Device;
use dress_eval::report::RunInfo;
use dress_models::{AnyModel, Checkpoint, FloatType, LoadConfig};

/// The device, and the type of the weights in its memory.
#[derive(Debug, Clone, PartialEq)]
pub struct ComputeSettings {
    /// The device.
    pub device: Device,
    /// The type of the weights.
    pub dtype: FloatType,
}

impl Default for ComputeSettings {
    /// The processor, with weights as f32.
    fn default() -> Self {
        Self { device: Device::flex(), dtype: FloatType::default() }
    }
}

impl ComputeSettings {
    /// How a checkpoint is loaded.
    pub fn load_config(&self) -> LoadConfig {
        LoadConfig { dtype: self.dtype }
    }

    /// The checkpoint's model, on the seeded device.
    ///
    /// # Errors
    /// Those of [`Checkpoint::load`].
    pub fn load(&self, checkpoint: &Checkpoint, seed: u64) -> Result<AnyModel, Error> {
        self.device.seed(seed);
        let began = std::time::Instant::now();
        let model = checkpoint.load(&self.load_config(), &self.device)?;
        let (seconds, path) = (began.elapsed().as_secs_f64(), checkpoint.path().display());
        tracing::info!("loaded {path} in {seconds:.1} s to {:?}", self.device);
        Ok(model)
    }

    /// The device, for results to say.
    pub fn device_name(&self) -> String {
        dress_machine::device::name(&self.device)
    }

    /// The device as it is in the keys of kept cells: under the name that it had first, so that cells kept
    /// then are found.
    pub(crate) fn device_key(&self) -> String {
        format!("{:?}", self.device)
    }

    /// A run here and now.
    pub fn run_info(&self, seed: u64) -> RunInfo {
        RunInfo::here(ResultFile::BURN_VERSION, self.device_name(), self.dtype.to_string(), seed)
    }
}
