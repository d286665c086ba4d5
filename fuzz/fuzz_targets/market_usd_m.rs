//! Fuzzes `market::usd_m`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    bot4_fuzz::market::usd_m(data);
});
