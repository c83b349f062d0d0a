//! From a name to a device: the one place in the workspace that does it.

pub use crate::device_names::NAMES;

use crate::Error;
#[cfg(feature = "cuda")]
use crate::cuda_needs;
use burn::tensor::Device;

/// The device of that name.
///
/// `cpu` is the pure-Rust `flex` backend, which is always there. `cuda`, `rocm`, `vulkan` and `metal` need
/// the feature of the same name, `cubecl-cpu` the feature `cpu`. `auto` is the first of CUDA, ROCm and Metal
/// that is built in, else `cpu`; what is built in and cannot be used is an error, since a user who built it
/// wants it.
///
/// # Errors
/// [`Error::DeviceName`] for a name that is none, [`Error::DeviceIndex`] for an index that is not
/// a number or of a device that has none, [`Error::DeviceNotBuilt`] where the feature is not built in, and
/// [`Error::DeviceUnusable`] where CUDA lacks something on this machine.
///
/// # Examples
/// ```
/// let device = dress_machine::device::parse("cpu")?;
/// let error = dress_machine::device::parse("tpu").unwrap_err();
/// assert!(error.to_string().starts_with("`tpu` is not a device"));
/// # let _ = device;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse(name: &str) -> Result<Device, Error> {
    let (kind, index) = match name.split_once(':') {
        Some((kind, index)) => {
            let index = index.parse().map_err(|_| Error::DeviceIndex { name: name.into() })?;
            (kind, index)
        }
        None => (name, 0),
    };
    match kind {
        "auto" | "cpu" | "cubecl-cpu" if kind != name => Err(Error::DeviceIndex { name: name.into() }),
        "auto" => auto(),
        "cpu" => Ok(Device::flex()),
        "cuda" => cuda(index),
        "rocm" => rocm(index),
        "vulkan" => vulkan(index),
        "metal" => metal(index),
        "cubecl-cpu" => cubecl_cpu(),
        _ => Err(Error::DeviceName { name: name.into() }),
    }
}

/// The name of a device, for results to say: `cpu` for the processor, and for others what their backend calls
/// them, in lower case.
///
/// # Examples
/// ```
/// use dress_machine::device;
///
/// assert_eq!(device::name(&device::parse("cpu")?), "cpu");
/// # Ok::<(), dress_machine::Error>(())
/// ```
pub fn name(device: &Device) -> String {
    if *device == Device::flex() {
        return "cpu".into();
    }
    let text = format!("{device:?}");
    let inner = text.strip_prefix("Device<").and_then(|text| text.strip_suffix('>')).unwrap_or(&text);
    inner.to_lowercase()
}

fn auto() -> Result<Device, Error> {
    let built_in = |found: &Result<Device, Error>| !matches!(found, Err(Error::DeviceNotBuilt { .. }));
    [cuda(0), rocm(0), metal(0)].into_iter().find(built_in).unwrap_or_else(|| Ok(Device::flex()))
}

/// Defines one device's constructor, an error where its feature is not built in.
macro_rules! optional_device {
    ($function:ident, $feature:literal, ($($index:ident: usize)?), $make:expr) => {
        #[cfg(feature = $feature)]
        fn $function($($index: usize)?) -> Result<Device, Error> {
            keep_kernels();
            $make
        }

        #[cfg(not(feature = $feature))]
        fn $function($($index: usize)?) -> Result<Device, Error> {
            $(let _ = $index;)?
            Err(Error::DeviceNotBuilt { feature: $feature })
        }
    };
}

/// Has kernels that were compiled or chosen by trying them kept from one run to the next, in the user's cache
/// unless a `cubecl.toml` names another place.
#[cfg(feature = "gpu")]
fn keep_kernels() {
    use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig, cache::CacheConfig};
    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    config.compilation.cache = true;
    if matches!(config.environment.path, CacheConfig::Target) {
        config.environment.path = CacheConfig::Global;
    }
    // What a program has set before stays.
    CubeClRuntimeConfig::try_set(config);
}

optional_device!(cuda, "cuda", (index: usize), cuda_needs::check(index).map(|()| Device::cuda(index)));
optional_device!(rocm, "rocm", (index: usize), Ok(Device::rocm(index)));
optional_device!(vulkan, "vulkan", (index: usize), Ok(Device::vulkan(burn::tensor::DeviceKind::DiscreteGpu(index))));
optional_device!(metal, "metal", (index: usize), Ok(Device::metal(burn::tensor::DeviceKind::IntegratedGpu(index))));
optional_device!(cubecl_cpu, "cpu", (), Ok(Device::cpu()));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_always_there() {
        assert!(parse("cpu").is_ok());
        if cfg!(not(any(feature = "cuda", feature = "rocm", feature = "metal"))) {
            assert!(parse("auto").is_ok());
        }
    }

    #[test]
    #[cfg(feature = "cuda")]
    fn a_card_that_is_not_there_is_said_before_anything_starts() {
        let message = parse("cuda:99").unwrap_err().to_string();
        assert!(
            message.contains("`cuda:99` cannot be used") && message.contains("`device = cpu`"),
            "{message}"
        );
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let message = parse("tpu").unwrap_err().to_string();
        assert!(message.contains("tpu") && message.contains("cuda"), "{message}");
        for name in ["cuda:x", "auto:1", "cpu:7", "cubecl-cpu:0"] {
            let message = parse(name).unwrap_err().to_string();
            assert!(message.contains(name) && message.contains("device number"), "{message}");
        }
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_device_that_is_not_built_in_says_how_to_build_it() {
        let message = parse("cuda:1").unwrap_err().to_string();
        assert!(message.contains("--features cuda"), "{message}");
    }
}
