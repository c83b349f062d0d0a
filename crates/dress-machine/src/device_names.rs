//! What devices are called.

/// The names that [`parse`](crate::device::parse) takes, for help texts.
pub const NAMES: &str = "auto, cpu, cuda[:n], rocm[:n], vulkan[:n], metal[:n], cubecl-cpu";
