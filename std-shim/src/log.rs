//! What is logged: by `tracing`, or not at all where that feature is off.

#[cfg(feature = "tracing")]
pub(crate) use tracing::{error, warn};
// What a gateway says.
#[cfg(all(feature = "tracing", target_os = "linux"))]
pub(crate) use tracing::{debug, info};

/// Takes what `tracing`'s macros take, in the forms that are used here, and does nothing.
#[cfg(not(feature = "tracing"))]
macro_rules! unlogged {
    ($message:literal) => {
        ()
    };
    ($message:literal, $($value:expr),+) => {
        _ = || ($(_ = &$value),+)
    };
    (%$value:ident, $($rest:tt)+) => {{
        let _ = &$value;
        $crate::log::unlogged!($($rest)+)
    }};
    ($name:ident = $(%)? $(?)? $value:expr, $($rest:tt)+) => {{
        let _ = || _ = &$value;
        $crate::log::unlogged!($($rest)+)
    }};
}

#[cfg(all(not(feature = "tracing"), target_os = "linux"))]
pub(crate) use {unlogged as debug, unlogged as info};
#[cfg(not(feature = "tracing"))]
pub(crate) use {unlogged, unlogged as error, unlogged as warn};
