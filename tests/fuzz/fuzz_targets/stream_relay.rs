#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| callrec::fuzz::stream_relay(data));
