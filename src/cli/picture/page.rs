//! A report as one HTML file that needs nothing else: pictures, then the table that a terminal shows.

use super::escaped;
use std::fmt::Write;

/// A page with pictures, each with its caption, and a table as text.
#[must_use]
pub fn page(title: &str, pictures: &[(&str, String)], table: &str) -> String {
    let title = escaped(title);
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <title>Bot4: {title}</title>\n<style>\n\
         body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 920px; margin: 2rem auto; \
         padding: 0 1rem; color: #222831; }}\n\
         h2 {{ font-size: 1rem; margin: 1.5rem 0 0.25rem; }}\n\
         pre {{ background: #f5f6f8; padding: 1rem; overflow-x: auto; font-size: 12px; }}\n\
         svg {{ width: 100%; height: auto; break-inside: avoid; }}\n\
         @media print {{ body {{ margin: 0; max-width: none; }} \
         pre {{ overflow: visible; font-size: 8px; }} }}\n\
         </style></head><body>\n<h1>{title}</h1>\n"
    );
    for (caption, picture) in pictures {
        // writing to a String cannot fail
        if !caption.is_empty() {
            let _ = writeln!(text, "<h2>{}</h2>", escaped(caption));
        }
        let _ = writeln!(text, "{picture}");
    }
    let _ = writeln!(text, "<pre>{}</pre>\n</body></html>", escaped(table));
    text
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn what_comes_from_files_stays_text() {
        let page = page("a < b", &[("x & y", "<svg/>".to_owned())], "<b>1</b>");
        for piece in ["a &lt; b", "<h2>x &amp; y</h2>\n<svg/>", "<pre>&lt;b&gt;1"] {
            assert!(page.contains(piece), "{page}");
        }
    }
}
