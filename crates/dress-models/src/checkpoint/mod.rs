//! Hugging Face directories in and out.

mod float_type;
mod load;
mod safetensors_reader;
mod save;
mod staging;

pub use float_type::FloatType;
pub use load::{LoadConfig, load, read_config};
pub use safetensors_reader::SafetensorsDirectory;
pub use save::{SaveConfig, SaveReport, save};
pub use staging::{Staging, check_output};
