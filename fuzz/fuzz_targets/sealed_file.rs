//! Fuzzes `keys::sealed_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    bot4_fuzz::keys::sealed_file(data);
});
