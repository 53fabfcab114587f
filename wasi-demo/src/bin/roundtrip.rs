//! Measures round trips of a guest to the echo service "echo": `ipcm-roundtrip WAY COUNT`, where WAY is as for
//! `ipcm-guest`, or `--pipe` for bytes on standard output that come back on standard input, and nothing else.
//!
//! Prints the median on standard error, in nanoseconds.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

type Body = [u8; 32];

const TIMEOUT: Duration = Duration::from_secs(10);
/// Of so many round trips one more is made before that is not measured.
const WARM_UP: usize = 10;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let way = arguments.next();
    let count = arguments.next().and_then(|word| word.parse().ok()).filter(|&count| count > 0);
    let (Some(way), Some(count), None) = (way, count, arguments.next()) else {
        eprintln!("usage: ipcm-roundtrip INFO|--gateway|--pipe COUNT");
        return ExitCode::from(2);
    };
    let median = if way == "--pipe" { median_of(count, by_pipe) } else { median_by(&way, count) };
    match median {
        Ok(median) => {
            eprintln!("{}", median.as_nanos());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("ipcm-roundtrip: {why}");
            ExitCode::FAILURE
        }
    }
}

fn median_by(way: &str, count: usize) -> Result<Duration, String> {
    let mut client = ipcm_wasi_demo::join(way, "roundtrip").map_err(|why| why.to_string())?;
    median_of(count, |body| {
        client.sync_request("echo", body, TIMEOUT).map_err(|error| std::io::Error::other(error.to_string()))
    })
}

fn by_pipe(body: &Body) -> std::io::Result<Body> {
    let (mut answer, mut out) = (Body::default(), std::io::stdout());
    out.write_all(body)?;
    out.flush()?;
    std::io::stdin().read_exact(&mut answer)?;
    Ok(answer)
}

fn median_of(count: usize, mut trip: impl FnMut(&Body) -> std::io::Result<Body>) -> Result<Duration, String> {
    let mut times = Vec::with_capacity(count);
    for number in 0..count + count / WARM_UP {
        let body = [number as u8; 32];
        let begin = Instant::now();
        let answer = trip(&body).map_err(|error| error.to_string())?;
        let time = begin.elapsed();
        if answer != body {
            return Err("the answer is another".into());
        }
        if number >= count / WARM_UP {
            times.push(time);
        }
    }
    times.sort_unstable();
    Ok(times[count / 2])
}
