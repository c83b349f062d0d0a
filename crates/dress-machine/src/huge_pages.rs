//! Large buffers in large pages.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, which asks the kernel to keep large buffers in huge pages (2 MiB on most machines)
/// instead of pages of 4 KiB: whoever reads all weights for every token looks up five hundred times fewer
/// addresses. Linux with glibc alone is asked, and does it where
/// `/sys/kernel/mm/transparent_hugepage/enabled` says `madvise` or `always`. For a program to choose,
/// together with [`memory::keep_freed`](crate::memory::keep_freed), since only memory that is asked for in
/// large pieces can be in large pages:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: dress_machine::HugePages = dress_machine::HugePages;
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct HugePages;

// SAFETY: every call is the system allocator's with the same arguments; advice changes how memory is backed, not what is in it.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        advised(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        advised(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        advised(unsafe { System.realloc(start, layout, size) }, size)
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn advised(start: *mut u8, size: usize) -> *mut u8 {
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The bytes of a buffer from which on it is worth a look.
    const LARGE: usize = 64 << 10;
    /// The end of the heap as far as advice was given.
    static ADVISED: AtomicUsize = AtomicUsize::new(0);

    if start.is_null() || size < LARGE {
        return start;
    }
    let address = start as usize;
    // SAFETY: it moves nothing when asked to move by zero. Another thread may move the end meanwhile: one that is out of date
    // gives a range that was advised on already, or is again the next time.
    let heap = unsafe { libc::sbrk(0) } as usize;
    // The heap begins behind the program's own data; mappings are above its end, or all below the program (`ulimit -s unlimited`).
    let in_heap = (&raw const ADVISED) as usize <= address && address + size <= heap;
    // Of the heap everything that is new, before anything is written there: a huge page of which a small one is in use already
    // stays in small ones. Any other buffer is a mapping of its own.
    let range = if in_heap {
        let before = ADVISED.swap(heap, Ordering::Relaxed);
        if before == 0 { address..heap } else { before..heap }
    } else {
        address..address + size
    };
    if range.is_empty() {
        return start;
    }
    // SAFETY: it reads a constant of the system.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(1) as usize;
    let first = range.start / page * page;
    // SAFETY: advice on huge pages leaves every byte as it is, and on pages that are gone by now does nothing. What the call
    // returns is left alone, since nothing depends on it.
    unsafe { libc::madvise(first as *mut libc::c_void, range.end - first, libc::MADV_HUGEPAGE) };
    start
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn advised(start: *mut u8, _size: usize) -> *mut u8 {
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first byte of a buffer and its last.
    fn marked(start: *mut u8, size: usize) -> [u8; 2] {
        // SAFETY: the buffers of the tests are longer than two bytes, and written there.
        unsafe { [*start, *start.add(size - 1)] }
    }

    #[test]
    fn buffers_of_every_size_keep_what_is_in_them() {
        for size in [63 << 10, 1 << 20, 40 << 20] {
            let layout = Layout::from_size_align(size, 64).unwrap();
            // SAFETY: the layout has a size, and everything that is read was written or zeroed.
            unsafe {
                let zeroed = HugePages.alloc_zeroed(layout);
                assert_eq!((zeroed as usize % 64, marked(zeroed, size)), (0, [0, 0]));
                HugePages.dealloc(zeroed, layout);
                let start = HugePages.alloc(layout);
                start.write(1);
                start.add(size - 1).write(2);
                let longer = HugePages.realloc(start, layout, 3 * size);
                assert_eq!((longer as usize % 64, marked(longer, size)), (0, [1, 2]));
                HugePages.dealloc(longer, Layout::from_size_align(3 * size, 64).unwrap());
            }
        }
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn the_kernel_is_asked_for_large_buffers() {
        if std::fs::read("/sys/kernel/mm/transparent_hugepage/enabled").is_err() {
            // Past what the harness captures. `.ci/run` fails where they are there.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED for want of huge-pages\n");
            return;
        }
        for size in [1 << 20, 40 << 20] {
            let layout = Layout::from_size_align(size, 16).unwrap();
            // SAFETY: the layout has a size.
            let start = unsafe { HugePages.alloc(layout) };
            assert!(is_advised(start as usize + size / 2), "{size}");
            // SAFETY: it was allocated with this layout.
            unsafe { HugePages.dealloc(start, layout) };
        }
    }

    /// Whether the mapping that has `address` is marked for huge pages.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn is_advised(address: usize) -> bool {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split_whitespace().next().and_then(|range| range.split_once('-'));
            let range = range.and_then(|(start, end)| {
                let parse = |hex| usize::from_str_radix(hex, 16).ok();
                Some(parse(start)?..parse(end)?)
            });
            inside = range.map_or(inside, |range| range.contains(&address));
            if inside && let Some(flags) = line.strip_prefix("VmFlags:") {
                return flags.split_whitespace().any(|flag| flag == "hg");
            }
        }
        false
    }
}
