//! A frame with two axes that shapes are put into by value.

use super::{Anchor, Colour, FAINT, INK, LETTER_WIDTH, Picture, Shape, ticks, words};

const SIZE: (f64, f64) = (880.0, 400.0);
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 48.0;

/// A chart being drawn.
pub struct Chart {
    x: (f64, f64),
    y: (f64, f64),
    shapes: Vec<Shape>,
}

impl Chart {
    /// Axes over these ranges, lines across at round values of y, a title.
    #[must_use]
    pub fn new(title: &str, x: (f64, f64), y: (f64, f64)) -> Chart {
        let widened = |(low, high): (f64, f64)| {
            if high > low { (low, high) } else { (low - 1.0, low + 1.0) }
        };
        let mut chart = Chart { x: widened(x), y: widened(y), shapes: Vec::new() };
        for value in ticks(chart.y.0, chart.y.1, 6) {
            let across = (LEFT, chart.at(chart.x.0, value).1);
            chart.shapes.push(Shape::Line(across, (SIZE.0 - RIGHT, across.1), 1.0, FAINT));
            let place = (LEFT - 6.0, across.1 + 4.0);
            chart.shapes.push(Shape::Text(place, Anchor::End, INK, words(value)));
        }
        let title = title.to_owned();
        chart.shapes.push(Shape::Text((LEFT, 20.0), Anchor::Start, INK, title));
        chart
    }

    /// Where values stand.
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |(low, high): (f64, f64), value: f64| (value - low) / (high - low);
        let across = LEFT + share(self.x, x) * (SIZE.0 - LEFT - RIGHT);
        (across, SIZE.1 - BOTTOM - share(self.y, y) * (SIZE.1 - TOP - BOTTOM))
    }

    /// Words below the axis at a value of x.
    pub fn below(&mut self, x: f64, text: String) {
        let (across, _) = self.at(x, self.y.0);
        let anchor = match across {
            near if near < LEFT + 30.0 => Anchor::Start,
            far if far > SIZE.0 - RIGHT - 30.0 => Anchor::End,
            _ => Anchor::Middle,
        };
        self.shapes.push(Shape::Text((across, SIZE.1 - BOTTOM + 20.0), anchor, INK, text));
    }

    /// Round values below the axis, and what they are.
    pub fn scale(&mut self, name: &str) {
        for value in ticks(self.x.0, self.x.1, 8) {
            self.below(value, words(value));
        }
        let middle = ((LEFT + SIZE.0 - RIGHT) / 2.0, SIZE.1 - 8.0);
        self.shapes.push(Shape::Text(middle, Anchor::Middle, INK, name.to_owned()));
    }

    /// A line through points.
    pub fn line(&mut self, points: &[(f64, f64)], width: f64, colour: Colour) {
        for pair in points.windows(2) {
            let (from, to) = (self.at(pair[0].0, pair[0].1), self.at(pair[1].0, pair[1].1));
            self.shapes.push(Shape::Line(from, to, width, colour));
        }
    }

    /// A point with its name beside it.
    pub fn point(&mut self, x: f64, y: f64, size: f64, colour: Colour, name: &str) {
        let (across, down) = self.at(x, y);
        let half = 0.5 * size;
        self.shapes.push(Shape::Bar(across - half, down - half, size, size, colour));
        let is_far = across > SIZE.0 - 120.0;
        let (place, anchor) = if is_far {
            ((across - size, down + 4.0), Anchor::End)
        } else {
            ((across + size, down + 4.0), Anchor::Start)
        };
        self.shapes.push(Shape::Text(place, anchor, colour, name.to_owned()));
    }

    /// Names in a row above the frame, each in its colour.
    pub fn legend(&mut self, names: &[(&str, Colour)]) {
        let mut right = SIZE.0 - RIGHT;
        for (name, colour) in names.iter().rev() {
            let place = (right, 20.0);
            self.shapes.push(Shape::Text(place, Anchor::End, *colour, (*name).to_owned()));
            right -= LETTER_WIDTH * (name.chars().count() as f64 + 2.0);
        }
    }

    /// The finished picture.
    #[must_use]
    pub fn picture(self) -> Picture {
        Picture { size: SIZE, shapes: self.shapes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_inside_the_frame() {
        let mut chart = Chart::new("t", (0.0, 10.0), (-1.0, 1.0));
        chart.line(&[(0.0, -1.0), (10.0, 1.0)], 1.0, INK);
        chart.scale("x");
        let Some(Shape::Line(from, to, ..)) =
            chart.shapes.iter().find(|s| matches!(s, Shape::Line(_, _, _, INK))).cloned()
        else {
            panic!("no line");
        };
        assert_eq!((from, to), ((LEFT, SIZE.1 - BOTTOM), (SIZE.0 - RIGHT, TOP)));
        // a range of nothing is widened
        assert!(Chart::new("t", (3.0, 3.0), (0.0, 0.0)).at(3.0, 0.0).0.is_finite());
    }
}
