//! The two charts: latency by size, and throughput by clients.

use std::fs;
use std::io;
use std::path::Path;

use super::figures::Figures;
use crate::plot::{Chart, Line};

/// Body sizes of the chart in bytes, which include those of the goals.
pub(super) const SIZES: [usize; 8] = [32, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];

/// Clients of the chart, which include those of the goals.
pub(super) const CROWDS: [usize; 4] = [1, 8, 64, 512];

/// Draws what has been measured of both.
pub(super) fn write(dir: &Path, figures: &Figures) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    if figures.latency.iter().any(|row| row.len == SIZES[SIZES.len() - 1]) {
        let points = figures.latency.iter().map(|row| (row.name, row.len as f64, row.p50_us));
        let chart = Chart {
            title: "Round trip, both sides on one CPU".into(),
            across: "bytes of the body".into(),
            up: "microseconds, median".into(),
            lines: lines(points),
        };
        fs::write(dir.join("latency.svg"), chart.to_svg())?;
    }
    if !figures.crowds.is_empty() {
        let points = figures.crowds.iter().map(|row| (row.name, row.clients as f64, row.per_second / 1e3));
        let chart = Chart {
            title: "Round trips of 32 bytes, all on one CPU".into(),
            across: "clients, each with one request at a time".into(),
            up: "thousands a second, all together".into(),
            lines: lines(points),
        };
        fs::write(dir.join("throughput.svg"), chart.to_svg())?;
    }
    Ok(())
}

/// A line for each contender through its points, in the order in which the contenders come first.
fn lines(points: impl Iterator<Item = (&'static str, f64, f64)>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (name, across, up) in points {
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push((across, up)),
            None => lines.push(Line { name: name.into(), points: vec![(across, up)] }),
        }
    }
    lines
}
