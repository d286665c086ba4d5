//! Fuzzes `journal::lane_state`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    bot4_fuzz::journal::lane_state(data);
});
