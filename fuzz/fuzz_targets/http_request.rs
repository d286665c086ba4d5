//! Fuzzes `framing::http_request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    bot4_fuzz::framing::http_request(data);
});
