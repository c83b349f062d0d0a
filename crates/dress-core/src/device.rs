//! From a name to a device: the one place in the workspace that does it.

use crate::Error;
use burn::tensor::Device;

/// The names [`parse`] takes, for help texts.
pub const NAMES: &str = "auto, cpu, cuda[:n], rocm[:n], vulkan[:n], metal[:n], cubecl-cpu";

/// The device of that name.
///
/// `cpu` is the pure-Rust `flex` backend, which is always there. `cuda`, `rocm`, `vulkan` and `metal`
/// need the feature of the same name, `cubecl-cpu` the feature `cpu`. `auto` is the first of CUDA,
/// ROCm and Metal that is built in, else `cpu`; it does not look for hardware.
///
/// # Errors
/// [`Error::DeviceName`] for a name that is none, [`Error::DeviceIndex`] for an index that is not
/// a number or of a device that has none, and [`Error::DeviceNotBuilt`] where the feature is not built in.
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
        "auto" => Ok(auto()),
        "cpu" => Ok(Device::flex()),
        "cuda" => cuda(index),
        "rocm" => rocm(index),
        "vulkan" => vulkan(index),
        "metal" => metal(index),
        "cubecl-cpu" => cubecl_cpu(),
        _ => Err(Error::DeviceName { name: name.into() }),
    }
}

fn auto() -> Device {
    [cuda(0), rocm(0), metal(0)].into_iter().find_map(Result::ok).unwrap_or_else(Device::flex)
}

/// Defines one device's constructor, an error where its feature is not built in.
macro_rules! optional_device {
    ($function:ident, $feature:literal, ($($index:ident: usize)?), $make:expr) => {
        #[cfg(feature = $feature)]
        fn $function($($index: usize)?) -> Result<Device, Error> {
            Ok($make)
        }

        #[cfg(not(feature = $feature))]
        fn $function($($index: usize)?) -> Result<Device, Error> {
            $(let _ = $index;)?
            Err(Error::DeviceNotBuilt { feature: $feature })
        }
    };
}

optional_device!(cuda, "cuda", (index: usize), Device::cuda(index));
optional_device!(rocm, "rocm", (index: usize), Device::rocm(index));
optional_device!(vulkan, "vulkan", (index: usize), Device::vulkan(burn::tensor::DeviceKind::DiscreteGpu(index)));
optional_device!(metal, "metal", (index: usize), Device::metal(burn::tensor::DeviceKind::IntegratedGpu(index)));
optional_device!(cubecl_cpu, "cpu", (), Device::cpu());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_always_there() {
        assert!(parse("cpu").is_ok());
        assert!(parse("auto").is_ok());
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
