//! libFuzzer's door to the target of this name.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| ipcm_fuzz::body_decode::run(input));
