//! Several portfolios as one, so that all of them meet the same scenarios.

use super::position::{Portfolio, PortfolioError};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Portfolios together.
#[derive(Clone, Debug, PartialEq)]
pub struct Several {
    /// All positions; where there are several portfolios, ids are `portfolio/id`.
    pub whole: Portfolio,
    /// Which positions are whose; empty where there is only one.
    pub parts: Vec<Part>,
}

/// One of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its file's name without the ending; the whole path where two files are called the same.
    pub name: String,
    /// Its positions among all.
    pub positions: Range<usize>,
}

impl Several {
    /// Reads files.
    ///
    /// # Errors
    /// A file that is refused or given twice, or portfolios of different bases or dates.
    ///
    /// # Panics
    /// Without any file.
    pub fn read(paths: &[PathBuf]) -> Result<Several, PortfolioError> {
        let whole = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        let known: Vec<PathBuf> = paths.iter().map(whole).collect();
        if let Some(at) = (1..known.len()).find(|&at| known[..at].contains(&known[at])) {
            return Err(PortfolioError::Twice(paths[at].clone()));
        }
        let mut all = Vec::with_capacity(paths.len());
        for path in paths {
            all.push(Portfolio::read(path)?);
        }
        let (first, others) = all.split_first().expect("Invariant: at least one portfolio");
        for (other, path) in others.iter().zip(&paths[1..]) {
            let date = |portfolio: &Portfolio| portfolio.as_of.clone().unwrap_or("none".to_owned());
            let fields = [
                ("base", first.base.clone(), other.base.clone()),
                ("as_of", date(first), date(other)),
            ];
            for (what, wanted, found) in fields {
                if wanted != found {
                    let (first, other) = (paths[0].clone(), path.clone());
                    return Err(PortfolioError::Apart { first, other, what, wanted, found });
                }
            }
        }
        let mut whole = first.clone();
        if others.is_empty() {
            return Ok(Several { whole, parts: Vec::new() });
        }
        whole.positions.clear();
        let mut parts = Vec::with_capacity(all.len());
        for (portfolio, name) in all.into_iter().zip(names(paths)) {
            let from = whole.positions.len();
            whole.positions.extend(portfolio.positions.into_iter().map(|mut position| {
                position.id = format!("{name}/{}", position.id);
                position
            }));
            parts.push(Part { name, positions: from..whole.positions.len() });
        }
        Ok(Several { whole, parts })
    }
}

fn names(paths: &[PathBuf]) -> Vec<String> {
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let is_alone = |path: &PathBuf| paths.iter().filter(|&p| stem(p) == stem(path)).count() == 1;
    let name = |path: &PathBuf| match stem(path).filter(|_| is_alone(path)) {
        Some(stem) => stem,
        None => path.display().to_string(),
    };
    paths.iter().map(name).collect()
}
