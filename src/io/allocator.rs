//! The phone's allocator. musl clears what it hands out by hand, page for page, up to 128 KiB: large allocations are
//! mapped instead, so that pages which no call uses are never touched. The other place with `unsafe` besides `sys`.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

/// From here on an allocation has pages of its own.
const LARGE: usize = 8 * 1024;

/// Small blocks from the system's allocator, large ones from the kernel.
#[derive(Debug)]
pub struct Pages;

fn is_small(layout: Layout) -> bool {
    layout.size() < LARGE || layout.align() > 4096
}

// SAFETY: which of the two has a block follows from its layout alone, and `dealloc` gets the layout that `alloc` got;
// `realloc` is the trait's own, which moves. What is mapped is aligned to a page and holds zeros.
unsafe impl GlobalAlloc for Pages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_small(layout) {
            // SAFETY: the caller's promises are passed on.
            return unsafe { System.alloc(layout) };
        }
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: new pages, at a place of the kernel's choice.
        match unsafe { libc::mmap(std::ptr::null_mut(), layout.size(), access, kind, -1, 0) } {
            libc::MAP_FAILED => std::ptr::null_mut(),
            pages => pages.cast(),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on; new pages are zeros.
        unsafe {
            match is_small(layout) {
                true => System.alloc_zeroed(layout),
                false => self.alloc(layout),
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `alloc` with the same layout has taken it from there.
        unsafe {
            match is_small(layout) {
                true => System.dealloc(block, layout),
                false => drop(libc::munmap(block.cast(), layout.size())),
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
