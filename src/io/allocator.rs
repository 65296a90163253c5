//! The phone's allocator. musl clears zeroed allocations of up to 128 KiB by hand, page by page.
//! This allocator maps large allocations instead, so that unused pages are never touched. Besides
//! `sys`, this is the only module with `unsafe` code.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

/// Allocations of at least this size are mapped.
const LARGE: usize = 8 * 1024;

/// Allocates small blocks with the system's allocator, and large ones with `mmap`.
#[derive(Debug)]
pub struct Pages;

fn is_small(layout: Layout) -> bool {
    layout.size() < LARGE || layout.align() > 4096
}

// SAFETY: the layout alone determines which of the two owns a block, and `dealloc` gets the same
// layout as `alloc`; `realloc` is the default, which allocates and copies. Mapped memory is
// page-aligned and zeroed.
unsafe impl GlobalAlloc for Pages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_small(layout) {
            // SAFETY: the caller's guarantees are passed on.
            return unsafe { System.alloc(layout) };
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping at an address that the kernel chooses.
        match unsafe { libc::mmap(std::ptr::null_mut(), layout.size(), access, kind, -1, 0) } {
            libc::MAP_FAILED => std::ptr::null_mut(),
            pages => pages.cast(),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's guarantees are passed on; new pages are zeroed.
        unsafe {
            if is_small(layout) {
                System.alloc_zeroed(layout)
            } else {
                self.alloc(layout)
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `alloc` with the same layout has allocated the block in the same way.
        unsafe {
            if is_small(layout) {
                System.dealloc(block, layout);
            } else {
                libc::munmap(block.cast(), layout.size());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_blocks_are_zeros_and_can_grow_and_go() {
        for size in [1, LARGE - 1, LARGE, 100_000] {
            let layout = Layout::from_size_align(size, 8).unwrap();
            // SAFETY: the layouts are those that the blocks have.
            unsafe {
                let block = Pages.alloc_zeroed(layout);
                assert!((0..size).all(|i| *block.add(i) == 0));
                block.write_bytes(7, size);
                let grown = Pages.realloc(block, layout, 3 * size);
                assert!((0..size).all(|i| *grown.add(i) == 7));
                Pages.dealloc(grown, Layout::from_size_align(3 * size, 8).unwrap());
            }
        }
    }
}
