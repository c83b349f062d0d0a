//! Where a pass of many short products runs best.

use burn::backend::DispatchDevice;
use burn::tensor::Device;

/// Runs `work` on one of the threads that share out products, where `device` is a CPU. Of many short products
/// each would otherwise have to wake them, and wait itself until they are done; elsewhere `work` runs where
/// it is.
///
/// # Examples
/// ```
/// use burn::tensor::Device;
///
/// assert_eq!(dress_kernels::on_a_worker(&Device::flex(), || 2 + 3), 5);
/// ```
pub fn on_a_worker<R: Send>(device: &Device, work: impl FnOnce() -> R + Send) -> R {
    match device.as_dispatch() {
        DispatchDevice::Flex(_) => rayon::scope(|_| work()),
        _ => work(),
    }
}
