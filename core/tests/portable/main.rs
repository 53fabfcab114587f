//! The checks that run on every target, here as tests of the host and of WebAssembly.

extern crate alloc;

mod checks;

macro_rules! tests {
    ($($module:ident: $($name:ident)+;)+) => {
        $(mod $module {
            $(#[test]
            fn $name() {
                crate::checks::$module::$name();
            })+
        })+
    };
}

checks::for_every_check!(tests);
