//! What CUDA needs when it runs, looked for before Burn does, which stops the program where something is
//! missing.

use crate::Error;
use cudarc::{driver, nvrtc};
use std::path::{Path, PathBuf};

/// Checks that card `index` can be used.
///
/// # Errors
/// [`Error::DeviceUnusable`], which says what is missing and how to get it.
pub(crate) fn check(index: usize) -> Result<(), Error> {
    let unusable = |reason: String| Err(Error::DeviceUnusable { device: format!("cuda:{index}"), reason });
    // SAFETY: both only load a library of NVIDIA's and let it go again; what it does when it is loaded is what it does
    // for every program that uses CUDA.
    #[allow(unsafe_code)]
    let (driver_found, nvrtc_found) =
        unsafe { (driver::sys::is_culib_present(), nvrtc::sys::is_culib_present()) };
    if !driver_found {
        return unusable("the NVIDIA driver (libcuda) was not found; install the driver".into());
    }
    if let Err(error) = driver::result::init() {
        return unusable(format!("the NVIDIA driver does not start: {error:?}; `nvidia-smi` may say more"));
    }
    let count = driver::result::device::get_count().unwrap_or(0).max(0) as usize;
    if index >= count {
        return unusable(format!("the driver shows {count} cards; they are counted from cuda:0"));
    }
    if !nvrtc_found {
        let how = "install the CUDA toolkit, and name its libraries' folder in LD_LIBRARY_PATH";
        return unusable(format!("NVRTC (libnvrtc), which compiles kernels, was not found; {how}"));
    }
    let header = headers().map(|folder| folder.join("cuda_runtime.h"));
    match header {
        Some(header) if header.exists() => Ok(()),
        Some(header) => unusable(format!("{} is missing; {HEADERS}", header.display())),
        None => unusable(format!("the CUDA toolkit's headers were not found; {HEADERS}")),
    }
}

const HEADERS: &str = "install the CUDA toolkit, and set CUDA_PATH to the folder that has its `include`";

/// Where the kernels' compiler will look for headers: the places of cubecl-cuda 0.11.
fn headers() -> Option<PathBuf> {
    let set = std::env::var_os("CUDA_PATH").map(PathBuf::from);
    let usual = ["/usr/local/cuda", "/opt/cuda"].map(PathBuf::from).into_iter().find(|path| path.exists());
    let by_compiler = || Path::new("/usr/bin/nvcc").exists().then(|| PathBuf::from("/usr"));
    let toolkit = set.or(usual).or_else(by_compiler)?;
    Some(toolkit.join("include"))
}
