//! What the library logs, on standard error: one line each, like the command's own.

use std::fmt;
use std::io;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Shows what is logged from now on.
pub(crate) fn show() {
    let shown = tracing_subscriber::fmt().with_max_level(Level::INFO).with_ansi(false);
    // There is one already only where somebody has made it on purpose.
    let _ = shown.with_writer(io::stderr).event_format(Plain).try_init();
}

/// The message and what belongs to it.
struct Plain;

impl<S: Subscriber + for<'s> LookupSpan<'s>, N: for<'w> FormatFields<'w> + 'static> FormatEvent<S, N>
    for Plain
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        line.write_str("ipcm: ")?;
        context.format_fields(line.by_ref(), event)?;
        writeln!(line)
    }
}
