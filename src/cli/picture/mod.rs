//! Pictures of results: a list of shapes, drawn as SVG (for pages) or as PNG (for everything else).

mod axis;
mod chart;
mod page;
mod png;
mod svg;

pub use axis::{ticks, words};
pub use chart::Chart;
pub use page::page;
pub use png::{PngError, png};
pub use svg::{escaped, svg};

/// A colour, red, green, blue.
pub type Colour = [u8; 3];

/// The page.
pub const PAPER: Colour = [255, 255, 255];
/// Text and axes.
pub const INK: Colour = [34, 40, 49];
/// Lines that help the eye.
pub const FAINT: Colour = [221, 225, 230];
/// What is shown.
pub const MAIN: Colour = [76, 120, 168];
/// What to look at.
pub const ALARM: Colour = [200, 54, 54];
/// A second thing to look at.
pub const WARM: Colour = [230, 140, 40];

/// Where a text stands at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// A shape; lengths in points, y grows downwards.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A filled rectangle: left, top, width, height.
    Bar(f64, f64, f64, f64, Colour),
    /// A line between two points, of a width.
    Line((f64, f64), (f64, f64), f64, Colour),
    /// A text whose base line stands at a point.
    Text((f64, f64), Anchor, Colour, String),
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Width and height.
    pub size: (f64, f64),
    /// What is on it, the first at the bottom.
    pub shapes: Vec<Shape>,
}

/// Height of letters.
pub const LETTER: f64 = 12.0;
/// Width of a letter of the PNG's font.
pub const LETTER_WIDTH: f64 = 8.0;
