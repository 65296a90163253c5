#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| callrec::fuzz::cloud_phone(data));
