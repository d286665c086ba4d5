//! Fuzzes `framing::http_response`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    bot4_fuzz::framing::http_response(data);
});
