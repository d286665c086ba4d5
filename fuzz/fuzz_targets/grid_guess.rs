//! Fuzzes `market::grid_guess`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    bot4_fuzz::market::grid_guess(data);
});
