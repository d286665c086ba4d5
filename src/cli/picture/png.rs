//! A picture as PNG, two pixels a point. Letters are those of a terminal's 8 × 8 font, twice as large.

use super::{Anchor, Colour, LETTER_WIDTH, PAPER, Picture, Shape};
use font8x8::UnicodeFonts;
use std::io::Write;

/// Pixels of a point.
const SCALE: f64 = 2.0;
/// Pixels of a letter's dot.
const DOT: i64 = 2;

/// Why a picture cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the picture cannot be written: {0}")]
pub struct PngError(#[from] ::png::EncodingError);

/// Writes the picture.
///
/// # Errors
/// When the output does not take it.
pub fn png(picture: &Picture, to: impl Write) -> Result<(), PngError> {
    let mut canvas = Canvas::new(picture.size);
    picture.shapes.iter().for_each(|shape| canvas.draw(shape));
    let mut encoder = ::png::Encoder::new(to, canvas.width as u32, canvas.height as u32);
    encoder.set_color(::png::ColorType::Rgb);
    encoder.set_depth(::png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&canvas.pixels)?;
    writer.finish()?;
    Ok(())
}

struct Canvas {
    width: i64,
    height: i64,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(size: (f64, f64)) -> Canvas {
        let (width, height) = ((size.0 * SCALE) as i64, (size.1 * SCALE) as i64);
        Canvas { width, height, pixels: PAPER.repeat((width * height) as usize) }
    }

    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Bar(x, y, w, h, colour) => {
                let edges = [*x, *y, x + w, y + h].map(|edge| (edge * SCALE).round() as i64);
                self.fill(edges, *colour);
            }
            Shape::Line(from, to, width, colour) => self.line(*from, *to, *width, *colour),
            Shape::Text(at, anchor, colour, words) => self.text(*at, *anchor, *colour, words),
        }
    }

    fn set(&mut self, x: i64, y: i64, colour: Colour) {
        if (0..self.width).contains(&x) && (0..self.height).contains(&y) {
            let at = ((y * self.width + x) * 3) as usize;
            self.pixels[at..at + 3].copy_from_slice(&colour);
        }
    }

    fn fill(&mut self, [left, top, right, bottom]: [i64; 4], colour: Colour) {
        for y in top.max(0)..bottom.min(self.height) {
            for x in left.max(0)..right.min(self.width) {
                self.set(x, y, colour);
            }
        }
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, colour: Colour) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let steps = ((dx.abs().max(dy.abs())) * SCALE).ceil().max(1.0);
        let half = ((width * SCALE / 2.0).round() as i64).max(1);
        for step in 0..=steps as i64 {
            let share = step as f64 / steps;
            let x = ((from.0 + share * dx) * SCALE) as i64;
            let y = ((from.1 + share * dy) * SCALE) as i64;
            self.fill([x - half / 2, y - half / 2, x + (half + 1) / 2, y + (half + 1) / 2], colour);
        }
    }

    fn text(&mut self, at: (f64, f64), anchor: Anchor, colour: Colour, words: &str) {
        let width = words.chars().count() as f64 * LETTER_WIDTH;
        let left = match anchor {
            Anchor::Start => at.0,
            Anchor::Middle => at.0 - width / 2.0,
            Anchor::End => at.0 - width,
        };
        let top = (at.1 * SCALE) as i64 - 8 * DOT;
        for (place, letter) in words.chars().enumerate() {
            let left = ((left + place as f64 * LETTER_WIDTH) * SCALE) as i64;
            let rows = font8x8::BASIC_FONTS
                .get(letter)
                .or_else(|| font8x8::GREEK_FONTS.get(letter))
                .or_else(|| font8x8::LATIN_FONTS.get(letter))
                .or_else(|| font8x8::BASIC_FONTS.get('?'))
                .unwrap_or([0; 8]);
            for (y, row) in rows.into_iter().enumerate() {
                for x in (0..8).filter(|x| row & (1 << x) != 0) {
                    let (x, y) = (left + x * DOT, top + y as i64 * DOT);
                    self.fill([x, y, x + DOT, y + DOT], colour);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{INK, MAIN};
    use super::*;

    #[test]
    fn shapes_land_where_they_belong_and_stay_inside() {
        let mut canvas = Canvas::new((10.0, 10.0));
        canvas.draw(&Shape::Bar(2.0, 3.0, 4.0, 5.0, MAIN));
        let pixel = |canvas: &Canvas, x: i64, y: i64| {
            let at = ((y * canvas.width + x) * 3) as usize;
            [canvas.pixels[at], canvas.pixels[at + 1], canvas.pixels[at + 2]]
        };
        assert_eq!((pixel(&canvas, 4, 6), pixel(&canvas, 3, 6)), (MAIN, PAPER));
        assert_eq!((pixel(&canvas, 11, 15), pixel(&canvas, 12, 15)), (MAIN, PAPER));
        canvas.draw(&Shape::Line((-50.0, -50.0), (50.0, 50.0), 1.0, INK));
        canvas.draw(&Shape::Text((0.0, 2.0), Anchor::Middle, INK, "far out µ λ 漢".to_owned()));
        assert_eq!(pixel(&canvas, 10, 10), INK);
    }

    #[test]
    fn what_is_written_is_a_png() {
        let mut bytes = Vec::new();
        png(&Picture { size: (20.0, 10.0), shapes: Vec::new() }, &mut bytes)
            .expect("fits in memory");
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 60);
    }
}
