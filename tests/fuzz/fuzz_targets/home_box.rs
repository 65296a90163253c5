#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| callrec::fuzz::home_box(data));
