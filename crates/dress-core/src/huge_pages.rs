//! Large buffers in large pages.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, which asks the kernel to keep large buffers in huge pages (2 MiB on most machines) instead of pages of
/// 4 KiB: whoever reads all weights for every token looks up five hundred times fewer addresses. Linux alone is asked, and does it
/// where `/sys/kernel/mm/transparent_hugepage/enabled` says `madvise` or `always`. For a program to choose, together with
/// [`memory::keep_freed`](crate::memory::keep_freed), since only memory that is asked for in large pieces can be in large pages:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: dress_core::HugePages = dress_core::HugePages;
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

#[cfg(target_os = "linux")]
fn advised(start: *mut u8, size: usize) -> *mut u8 {
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The bytes of a buffer from which on it is worth a look.
    const LARGE: usize = 64 << 10;
    /// What a range starts at that the kernel takes advice on.
    const PAGE: usize = 4 << 10;
    /// The end of the heap as far as advice was given.
    static ADVISED: AtomicUsize = AtomicUsize::new(0);

    if start.is_null() || size < LARGE {
        return start;
    }
    let address = start as usize;
    // SAFETY: it moves nothing when asked to move by zero.
    let heap = unsafe { libc::sbrk(0) } as usize;
    // Of the heap, which is below all mappings, everything that is new, before anything is written there: a huge page of which a
    // small one is in use already stays in small ones. Any other buffer is a mapping of its own.
    let range = if address + size <= heap {
        let before = ADVISED.swap(heap, Ordering::Relaxed);
        if before == 0 { address..heap } else { before..heap }
    } else {
        address..address + size
    };
    let first = range.start / PAGE * PAGE;
    if first < range.end {
        // SAFETY: advice on huge pages leaves every byte as it is. What the call returns is left alone, since nothing depends
        // on it.
        unsafe { libc::madvise(first as *mut libc::c_void, range.end - first, libc::MADV_HUGEPAGE) };
    }
    start
}

#[cfg(not(target_os = "linux"))]
fn advised(start: *mut u8, _size: usize) -> *mut u8 {
    start
}
