//! A picture as SVG text.

use super::{Anchor, Colour, LETTER, PAPER, Picture, Shape};
use std::fmt::Write;

/// The picture as one `<svg>` element.
#[must_use]
pub fn svg(picture: &Picture) -> String {
    let (width, height) = picture.size;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"{LETTER}\">"
    );
    let paper = hex(PAPER);
    // writing to a String cannot fail
    let _ = write!(text, "<rect width=\"{width}\" height=\"{height}\" fill=\"{paper}\"/>");
    for shape in &picture.shapes {
        let _ = match shape {
            Shape::Bar(x, y, w, h, colour) => {
                let fill = hex(*colour);
                write!(
                    text,
                    "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{w:.2}\" height=\"{h:.2}\" fill=\"{fill}\"/>"
                )
            }
            Shape::Line((x1, y1), (x2, y2), width, colour) => {
                let stroke = hex(*colour);
                write!(
                    text,
                    "<line x1=\"{x1:.2}\" y1=\"{y1:.2}\" x2=\"{x2:.2}\" y2=\"{y2:.2}\" \
                     stroke=\"{stroke}\" stroke-width=\"{width}\"/>"
                )
            }
            Shape::Text((x, y), anchor, colour, words) => {
                let anchor = match anchor {
                    Anchor::Start => "start",
                    Anchor::Middle => "middle",
                    Anchor::End => "end",
                };
                let (fill, words) = (hex(*colour), escaped(words));
                write!(
                    text,
                    "<text x=\"{x:.2}\" y=\"{y:.2}\" text-anchor=\"{anchor}\" fill=\"{fill}\">{words}</text>"
                )
            }
        };
    }
    text.push_str("</svg>");
    text
}

fn hex([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Text that stands for itself in XML.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::INK;
    use super::*;

    #[test]
    fn names_from_files_stay_text() {
        let words = "<script>\"A&B\"</script>".to_owned();
        let shapes = vec![Shape::Text((1.0, 2.0), Anchor::End, INK, words)];
        let text = svg(&Picture { size: (10.0, 10.0), shapes });
        assert!(text.contains("&lt;script&gt;&quot;A&amp;B&quot;") && !text.contains("<script"));
    }
}
