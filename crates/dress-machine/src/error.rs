//! What can go wrong, and what to do about it.

/// Errors of finding a device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that is no device.
    #[error("`{name}` is not a device; use one of {}", crate::device_names::NAMES)]
    DeviceName {
        /// The name as given.
        name: String,
    },
    /// A device index that is not a number, or of a device that has none.
    #[error(
        "`{name}`: what follows a colon is a device number, as in `cuda:1`, which cuda, rocm, vulkan and metal alone have"
    )]
    DeviceIndex {
        /// The name as given.
        name: String,
    },
    /// A device whose backend is not built in.
    #[error("this build has no `{feature}` backend; build it with --features {feature}")]
    DeviceNotBuilt {
        /// The Cargo feature.
        feature: &'static str,
    },
    /// A device whose backend is built in, but that cannot be used on this machine.
    #[error("`{device}` cannot be used: {reason}, or compute with `device = cpu`")]
    DeviceUnusable {
        /// The device.
        device: String,
        /// What is missing, and what to do about it.
        reason: String,
    },
}
