//! Line charts as SVG, both axes logarithmic, each line named at the right, where a dotted one leads to.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
/// Left, right, top, bottom.
const MARGIN: [f64; 4] = [64.0, 200.0, 44.0, 52.0];
/// The least distance between the names of two lines.
const NAME_GAP: f64 = 16.0;
/// Lines are told apart by colour, and by the names at their ends. The last, which the chart is about, stands out.
const COLOURS: [&str; 11] = [
    "#8a8a8a", "#b07aa1", "#76b7b2", "#00798c", "#edae49", "#30638e", "#7cb518", "#9c6644", "#5f0f40",
    "#48a9a6", "#3d3d3d",
];
const LAST_COLOUR: &str = "#d1495b";

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// What the horizontal axis counts.
    pub across: String,
    /// What the vertical axis counts.
    pub up: String,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A line of a chart.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it stands for.
    pub name: String,
    /// Its points, from left to right; all coordinates above zero.
    pub points: Vec<(f64, f64)>,
}

/// A logarithmic axis.
struct Axis {
    low: f64,
    high: f64,
    /// Where `low` and `high` are on the page.
    from: f64,
    to: f64,
}

impl Axis {
    fn at(&self, value: f64) -> f64 {
        let part = (value / self.low).ln() / (self.high / self.low).ln();
        self.from + part * (self.to - self.from)
    }
}

impl Chart {
    /// The chart as an SVG document.
    ///
    /// # Panics
    /// If no line has a point.
    pub fn to_svg(&self) -> String {
        let [left, right, top, bottom] = MARGIN;
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let mut across: Vec<f64> = points().map(|point| point.0).collect();
        across.sort_by(f64::total_cmp);
        across.dedup();
        let up = round_values(points().map(|point| point.1));
        let (first, last) = (across.first().expect("a point"), across.last().expect("a point"));
        let x = Axis { low: first * 0.8, high: last * 1.25, from: left, to: WIDTH - right };
        let y = Axis { low: up[0], high: up[up.len() - 1], from: HEIGHT - bottom, to: top };

        let mut svg = String::new();
        let mut put = |text: String| svg.write_str(&text).expect("a string takes everything");
        put(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
             <text x=\"{left}\" y=\"24\" font-size=\"15\">{}</text>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate(16 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
            escape(&self.title),
            (x.from + x.to) / 2.0,
            HEIGHT - 12.0,
            escape(&self.across),
            (y.from + y.to) / 2.0,
            escape(&self.up),
        ));
        for &value in &up {
            let at = y.at(value);
            put(format!(
                "<path d=\"M{:.1} {at:.1}H{:.1}\" stroke=\"#e4e4e4\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                x.from,
                x.to,
                x.from - 6.0,
                at + 4.0,
                brief(value)
            ));
        }
        for &value in &across {
            let (at, foot) = (x.at(value), y.from);
            put(format!(
                "<path d=\"M{at:.1} {foot:.1}v5\" stroke=\"#333\"/>\n\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                foot + 18.0,
                binary(value)
            ));
        }
        for (number, line) in self.lines.iter().enumerate() {
            let colour = self.colour(number);
            let path: Vec<String> =
                line.points.iter().map(|&(h, v)| format!("{:.1},{:.1}", x.at(h), y.at(v))).collect();
            put(format!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
                path.join(" ")
            ));
            for &(h, v) in &line.points {
                let (h, v) = (x.at(h), y.at(v));
                put(format!("<circle cx=\"{h:.1}\" cy=\"{v:.1}\" r=\"3\" fill=\"{colour}\"/>\n"));
            }
        }
        for (at, number) in self.name_places(&y) {
            let (line, colour) = (&self.lines[number], self.colour(number));
            let end = line.points.last().map_or((x.to, at), |&(h, v)| (x.at(h), y.at(v)));
            put(format!(
                "<path d=\"M{:.1} {:.1}L{:.1} {at:.1}\" stroke=\"{colour}\" stroke-width=\"0.7\" \
                 stroke-dasharray=\"2 3\"/>\n",
                end.0,
                end.1,
                x.to + 8.0
            ));
            put(format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{}\">{}</text>\n",
                x.to + 10.0,
                at + 4.0,
                colour,
                escape(&line.name)
            ));
        }
        put("</svg>\n".into());
        svg
    }

    fn colour(&self, number: usize) -> &'static str {
        if number + 1 == self.lines.len() { LAST_COLOUR } else { COLOURS[number % COLOURS.len()] }
    }

    /// Where the name of each line goes: at the height of its end, but below the one above it.
    fn name_places(&self, y: &Axis) -> Vec<(f64, usize)> {
        let ends = self.lines.iter().enumerate();
        let ends = ends.filter_map(|(number, line)| Some((y.at(line.points.last()?.1), number)));
        let mut places: Vec<(f64, usize)> = ends.collect();
        places.sort_by(|one, other| one.0.total_cmp(&other.0));
        for at in 1..places.len() {
            places[at].0 = places[at].0.max(places[at - 1].0 + NAME_GAP);
        }
        places
    }
}

/// The numbers 1, 2 and 5 times powers of ten, from the last not above the least value to the first not below the
/// greatest.
fn round_values(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let (least, greatest) = values.fold((f64::INFINITY, 0.0), |(least, greatest): (f64, f64), value| {
        (least.min(value), greatest.max(value))
    });
    let decades = least.log10().floor() as i32..=greatest.log10().ceil() as i32;
    let all = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(decade)));
    let all: Vec<f64> = all.collect();
    let first = all.iter().rposition(|&value| value <= least).unwrap_or(0);
    let last = all.iter().position(|&value| value >= greatest).unwrap_or(all.len() - 1);
    all[first..=last.max(first + 1)].to_vec()
}

/// A round number without the zeros that nobody needs.
fn brief(value: f64) -> String {
    if value >= 1000.0 { format!("{}k", value / 1000.0) } else { format!("{value}") }
}

/// A number of bytes or of other things, in powers of two where it is large.
fn binary(value: f64) -> String {
    match value {
        1_048_576.0.. => format!("{} Mi", value / 1_048_576.0),
        1024.0.. => format!("{} Ki", value / 1024.0),
        _ => format!("{value}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_reaches_from_a_round_number_to_a_round_number() {
        assert_eq!(round_values([8.8, 30.0].into_iter()), [5.0, 10.0, 20.0, 50.0]);
        assert_eq!(round_values([10.0].into_iter()), [10.0, 20.0]);
    }

    #[test]
    fn names_of_lines_that_end_together_stand_apart() {
        let line = |name: &str| Line { name: name.into(), points: vec![(1.0, 10.0), (2.0, 20.0)] };
        let lines = vec![line("a"), line("b"), line("c")];
        let chart = Chart { title: "t".into(), across: "x".into(), up: "y".into(), lines };
        let places = chart.name_places(&Axis { low: 10.0, high: 20.0, from: 100.0, to: 0.0 });
        assert!(places.windows(2).all(|pair| pair[1].0 - pair[0].0 >= NAME_GAP));
        assert!(chart.to_svg().ends_with("</svg>\n"));
    }
}
