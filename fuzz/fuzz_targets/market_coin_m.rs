//! Fuzzes `market::coin_m`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    bot4_fuzz::market::coin_m(data);
});
