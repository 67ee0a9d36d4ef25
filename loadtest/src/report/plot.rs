//! Plots as SVG, drawn by hand so that a page follows the reader's light or dark and needs nothing from the network.

use std::fmt::Write;

use crate::{
    histogram::Histogram,
    limits::POINTS_MAX,
    report::{Series, number},
};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 12.0;
const RIGHT: f64 = 40.0;
/// Bars of a histogram.
const BARS: usize = 60;

/// The frame of a plot: which values its edges stand for.
struct Frame {
    right: f64,
    top: f64,
}

impl Frame {
    fn new(right: f64, top: f64) -> Self {
        Self { right: right.max(f64::MIN_POSITIVE), top: round_up(top) }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * value / self.right
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / self.top
    }

    fn axes(&self, title: &str, across: &str, up: &str) -> String {
        let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">", escape(title));
        for quarter in 0..=4 {
            let (x, y) = (self.right * f64::from(quarter) / 4.0, self.top * f64::from(quarter) / 4.0);
            let (at_x, at_y) = (self.x(x), self.y(y));
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{end:.1}\" y1=\"{at_y:.1}\" y2=\"{at_y:.1}\"/>\
                 <text class=\"up\" x=\"{label:.1}\" y=\"{text_y:.1}\">{y}</text>\
                 <text class=\"across\" x=\"{at_x:.1}\" y=\"{below:.1}\">{x}</text>",
                end = WIDTH - RIGHT,
                label = LEFT - 6.0,
                text_y = at_y + 4.0,
                below = HEIGHT - BOTTOM + 16.0,
                y = if quarter == 4 { format!("{} {up}", number(y)) } else { number(y) },
                x = if quarter == 4 { format!("{} {across}", short(x)) } else { short(x) },
            );
        }
        svg
    }
}

/// Lines over time.
pub(super) fn lines(series: &Series) -> String {
    let points = || series.lines.iter().flat_map(|(_, line)| line);
    let frame = Frame::new(
        points().map(|point| point.0).fold(0.0, f64::max),
        points().map(|point| point.1).fold(0.0, f64::max),
    );
    let mut svg = frame.axes(&series.title, "s", series.unit);
    for (number, (_, line)) in series.lines.iter().enumerate() {
        let step = line.len().div_ceil(POINTS_MAX).max(1);
        let path: Vec<_> = line
            .iter()
            .enumerate()
            .filter(|(at, _)| at % step == 0 || at + 1 == line.len())
            .map(|(_, (x, y))| format!("{:.1},{:.1}", frame.x(*x), frame.y(*y)))
            .collect();
        let _ = write!(svg, "<polyline class=\"line l{number}\" points=\"{}\"/>", path.join(" "));
    }
    svg.push_str("</svg>");
    if series.lines.len() > 1 {
        let names = series.lines.iter().enumerate();
        svg.push_str("<p class=\"keys\">");
        for (number, (name, _)) in names {
            let _ = write!(svg, "<span class=\"key k{number}\">{name}</span>");
        }
        svg.push_str("</p>");
    }
    svg
}

/// How often each duration was seen, in milliseconds, with marks at the median and the 99th percentile.
pub(super) fn bars(title: &str, histogram: &Histogram) -> String {
    let longest = histogram.quantile_ms(1.0).unwrap_or(0.0).max(0.1);
    let mut counts = [0u64; BARS];
    histogram.each(|micros, count| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of the bars is one of the bars"
        )]
        let bar = ((micros as f64 / 1000.0 / longest * BARS as f64) as usize).min(BARS - 1);
        counts[bar] += count;
    });
    let frame = Frame::new(longest, counts.iter().copied().max().unwrap_or(0) as f64);
    let mut svg = frame.axes(title, "ms", "");
    let width = (WIDTH - LEFT - RIGHT) / BARS as f64;
    for (bar, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (x, y) = (LEFT + width * bar as f64, frame.y(*count as f64));
        let height = HEIGHT - BOTTOM - y;
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
            width - 1.0
        );
    }
    for (share, name) in [(0.5, "median"), (0.99, "99 of 100")] {
        let value = histogram.quantile_ms(share).unwrap_or(0.0);
        let x = frame.x(value);
        let side = if value > longest / 2.0 { "end" } else { "start" };
        let text_y = if share > 0.9 { TOP + 24.0 } else { TOP + 10.0 };
        let _ = write!(
            svg,
            "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>\
             <text class=\"name\" text-anchor=\"{side}\" x=\"{x:.1}\" y=\"{text_y:.1}\"> {name} {} ms </text>",
            HEIGHT - BOTTOM,
            short(value),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Text that is safe inside an element and an attribute.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The next number upwards that divides well by four.
fn round_up(value: f64) -> f64 {
    let magnitude = 10f64.powf(value.max(1.0).log10().floor());
    [1.0, 2.0, 4.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * magnitude)
        .find(|round| *round >= value)
        .unwrap_or(value)
}

fn short(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}
