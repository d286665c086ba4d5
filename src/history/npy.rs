//! NumPy's array files (format 1.0 and 2.0): a table of f32 or f64, rows by date. Such a file has neither
//! dates nor names: rows count days from 1970-01-01, columns are named `0`, `1`, ….

use super::date::Date;
use super::panel::{Panel, PanelError};

/// Why an array cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NpyError {
    /// No such file.
    #[error("byte 0: this is no NumPy array (its first bytes are not \\x93NUMPY)")]
    Magic,
    /// The heading.
    #[error("the array's heading: {0}")]
    Header(String),
    /// Its end.
    #[error("{found} bytes of numbers where the shape needs {wanted}: the file is cut off")]
    Short {
        /// There.
        found: usize,
        /// Needed.
        wanted: usize,
    },
    /// A panel that cannot be.
    #[error(transparent)]
    Panel(#[from] PanelError),
}

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads an array of one or two dimensions.
///
/// # Errors
/// What is wrong with the file.
pub fn read(bytes: &[u8]) -> Result<Panel, NpyError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(NpyError::Magic)?;
    let cut = || NpyError::Header("cut off".to_owned());
    let major = *rest.first().ok_or_else(cut)?;
    let (length, at) = if major == 1 {
        let size = rest.get(2..4).ok_or_else(cut)?;
        (usize::from(u16::from_le_bytes([size[0], size[1]])), 4)
    } else {
        let size = rest.get(2..6).ok_or_else(cut)?;
        (u32::from_le_bytes([size[0], size[1], size[2], size[3]]) as usize, 6)
    };
    let header = rest.get(at..at + length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| NpyError::Header("no text".to_owned()))?;
    let data = &rest[at + length..];
    let width = match field(header, "descr").as_deref() {
        Some("<f4") => 4,
        Some("<f8") => 8,
        other => {
            let found = other.unwrap_or("nothing");
            return Err(NpyError::Header(format!("numbers are {found}; give <f4 or <f8")));
        }
    };
    let by_column = header.contains("'fortran_order': True");
    let (rows, columns) = shape(header)?;
    let wanted = rows.checked_mul(columns).and_then(|n| n.checked_mul(width)).ok_or_else(cut)?;
    if data.len() < wanted {
        return Err(NpyError::Short { found: data.len(), wanted });
    }
    let number = |row: usize, column: usize| {
        let index = if by_column { column * rows + row } else { row * columns + column };
        let bytes = &data[index * width..(index + 1) * width];
        match bytes.try_into() {
            Ok(eight) => f64::from_le_bytes(eight),
            Err(_) => f64::from(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
        }
    };
    let columns: Vec<Vec<f64>> =
        (0..columns).map(|c| (0..rows).map(|row| number(row, c)).collect()).collect();
    let dates = (0..rows as i64).map(|day| Date(day * 86_400)).collect();
    let symbols = (0..columns.len()).map(|c| c.to_string()).collect();
    Ok(Panel::new(dates, symbols, columns)?)
}

/// The text of a key of the heading's dictionary.
fn field(header: &str, key: &str) -> Option<String> {
    let after = header.split_once(&format!("'{key}':"))?.1.trim_start();
    let inner = after.strip_prefix('\'')?;
    inner.split('\'').next().map(str::to_owned)
}

fn shape(header: &str) -> Result<(usize, usize), NpyError> {
    let missing = || NpyError::Header("no shape of one or two dimensions".to_owned());
    let inner = header.split_once("'shape':").ok_or_else(missing)?.1;
    let inner =
        inner.split_once('(').and_then(|(_, rest)| rest.split_once(')')).ok_or_else(missing)?.0;
    let sizes = inner.split(',').map(str::trim).filter(|part| !part.is_empty());
    let sizes: Vec<usize> =
        sizes.map(str::parse).collect::<Result<_, _>>().map_err(|_| missing())?;
    match sizes[..] {
        [rows] => Ok((rows, 1)),
        [rows, columns] => Ok((rows, columns)),
        _ => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let size = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &size, header.as_bytes(), data].concat()
    }

    #[test]
    fn arrays_of_both_orders_and_widths_are_read() {
        let singles: Vec<u8> =
            [1_f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let rows = read(&file("<f4", "False", "(2, 2)", &singles)).expect("sound");
        assert_eq!(rows.columns(), [vec![1.0, 3.0], vec![2.0, 4.0]]);
        let columns = read(&file("<f4", "True", "(2, 2)", &singles)).expect("sound");
        assert_eq!(columns.columns(), [vec![1.0, 2.0], vec![3.0, 4.0]]);
        let doubles: Vec<u8> = [5_f64, 6.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let one = read(&file("<f8", "False", "(2,)", &doubles)).expect("sound");
        assert_eq!(one.columns(), [vec![5.0, 6.0]]);
    }

    #[test]
    fn damage_is_named() {
        assert!(matches!(read(b"PK\x03\x04"), Err(NpyError::Magic)));
        assert!(matches!(read(&file("<i8", "False", "(2,)", &[])), Err(NpyError::Header(_))));
        assert!(matches!(
            read(&file("<f8", "False", "(2,)", &[0; 9])),
            Err(NpyError::Short { .. })
        ));
        assert!(matches!(read(&file("<f8", "False", "(1,1,1)", &[])), Err(NpyError::Header(_))));
        assert!(matches!(read(MAGIC), Err(NpyError::Header(_))));
    }
}
