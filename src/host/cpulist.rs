//! The kernel's way to write sets of CPUs: `0-3,8,10-11` <-> a sorted list of numbers.

/// Largest number accepted; Linux itself stops at 8 192 CPUs.
const CPU_MAX: u32 = 65_535;

/// A piece of text that names no CPUs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no CPU number or range such as 0-3")]
pub struct CpuListError(pub String);

/// Reads a list; blanks around numbers are ignored, an empty text is an empty set.
///
/// # Errors
/// When a piece is no number or range, runs backwards, or exceeds 65 535.
pub fn parse(text: &str) -> Result<Vec<u32>, CpuListError> {
    let mut cpus = Vec::new();
    for piece in text.trim().split(',').filter(|piece| !piece.trim().is_empty()) {
        let bad = || CpuListError(piece.trim().to_owned());
        let (low, high) = piece.split_once('-').unwrap_or((piece, piece));
        let number = |text: &str| {
            text.trim().parse().ok().filter(|cpu: &u32| *cpu <= CPU_MAX).ok_or_else(bad)
        };
        let (low, high) = (number(low)?, number(high)?);
        if low > high {
            return Err(bad());
        }
        cpus.extend(low..=high);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(cpus)
}

/// Writes a list, sorted, with ranges; `none` when empty.
#[must_use]
pub fn format(cpus: &[u32]) -> String {
    let mut sorted = cpus.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let runs: Vec<String> = sorted
        .chunk_by(|a, b| a + 1 == *b)
        .map(|run| match run {
            [one] => one.to_string(),
            [first, .., last] => format!("{first}-{last}"),
            [] => String::new(),
        })
        .collect();
    if runs.is_empty() { "none".to_owned() } else { runs.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(cpus in prop::collection::btree_set(0..300u32, 1..40)) {
            let cpus: Vec<u32> = cpus.into_iter().collect();
            prop_assert_eq!(parse(&format(&cpus)), Ok(cpus));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-0-9, a]{0,20}") {
            if let Ok(cpus) = parse(&text) {
                prop_assert!(cpus.is_sorted());
            }
        }
    }

    #[test]
    fn kernel_spellings() {
        assert_eq!(parse("0-3,8,10-11\n"), Ok(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(parse("\n"), Ok(vec![]));
        assert_eq!(format(&[3, 1, 2, 8]), "1-3,8");
        assert_eq!(format(&[]), "none");
        for bad in ["3-1", "x", "1-", "4294967296", "1-99999999"] {
            assert_eq!(parse(bad), Err(CpuListError(bad.to_owned())));
        }
    }
}
