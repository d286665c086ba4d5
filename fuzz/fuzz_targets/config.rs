//! Fuzzes `texts::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    bot4_fuzz::texts::config(data);
});
