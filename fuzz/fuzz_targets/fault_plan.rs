//! Fuzzes `texts::fault_plan`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    bot4_fuzz::texts::fault_plan(data);
});
