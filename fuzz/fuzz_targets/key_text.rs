//! Fuzzes `keys::key_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    bot4_fuzz::keys::key_text(data);
});
