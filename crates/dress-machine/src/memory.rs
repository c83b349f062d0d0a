//! How much memory the process takes, where the system says so, and what becomes of what it frees.

use std::fs;

/// The highest resident memory since the last [`reset_peak`], in bytes. Linux only.
///
/// # Examples
/// ```
/// use dress_machine::memory;
///
/// if let (Some(peak), Some(resident)) = (memory::peak(), memory::resident()) {
///     println!("{} MiB now, {} MiB at most", resident >> 20, peak >> 20);
/// }
/// ```
pub fn peak() -> Option<u64> {
    field("VmHWM:")
}

/// The resident memory now, in bytes. Linux only.
pub fn resident() -> Option<u64> {
    field("VmRSS:")
}

/// Starts counting the peak anew; without the right to, the peak stays that of the whole process.
pub fn reset_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Buffers up to this size are taken from memory that was freed before: the most that glibc allows.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const REUSED: libc::c_int = 32 << 20;

/// What the allocator asks the system for beyond what it needs.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const PIECE: libc::c_int = 64 << 20;

/// Has the allocator keep freed memory for the next buffer of its size, instead of handing it back to the
/// system, which fills it with zeros page by page when it is asked for again: activations are freed and made
/// anew in every layer. All threads share what is kept. For a program to call at its start, as it is the
/// whole process' setting; glibc alone has it. Where other threads run already nothing is changed, since
/// glibc lets these settings be made by one thread alone.
///
/// Returns whether the settings were made.
pub fn keep_freed() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if is_alone() {
        // SAFETY: glibc's manual marks `mallopt` as unsafe where another thread allocates or sets the same meanwhile
        // (`MT-Unsafe init const:mallopt`). No other thread exists, and none can start before this call returns.
        #[allow(unsafe_code)]
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, REUSED);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
            libc::mallopt(libc::M_TOP_PAD, PIECE);
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
        return true;
    }
    false
}

/// Whether the process has no thread but this one.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn is_alone() -> bool {
    fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// Hands memory that was freed and kept back to the system, so that what is taken next counts as taken. With
/// glibc alone.
pub fn hand_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes the allocator's lock, and touches nothing that is in use.
    #[allow(unsafe_code)]
    unsafe {
        libc::malloc_trim(0);
    }
}

fn field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_at_least_what_is_resident_and_grows_with_what_is_filled() {
        reset_peak();
        let before = peak().unwrap();
        let filled = vec![1u8; 64 << 20];
        assert!(std::hint::black_box(&filled).iter().all(|&byte| byte == 1));
        // Other tests go on meanwhile: what is resident is asked for first.
        let resident = resident().unwrap();
        assert!(peak().unwrap() >= resident);
        assert!(peak().unwrap() >= before + (48 << 20));
    }
}
