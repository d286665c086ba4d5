//! The arguments that name numbers by asset: `A=0.4,B=0.6`, `equal`, or a file of `optimize --json`.

use serde_json::Value;
use std::path::Path;

/// The place of an asset; `flag` is named where it is unknown.
///
/// # Errors
/// An asset that is not there, in words.
pub fn place(flag: &str, name: &str, assets: &[String]) -> Result<usize, String> {
    let name = name.trim();
    assets.iter().position(|asset| asset == name).ok_or_else(|| {
        format!("{flag}: there is no asset `{name}`; there are {}", assets.join(", "))
    })
}

/// Numbers by asset; none of an asset that is not named.
///
/// # Errors
/// What is no `A=0.5`, an unknown asset, one that is named twice; in words.
pub fn by_asset(
    flag: &str,
    given: &[String],
    assets: &[String],
) -> Result<Vec<Option<f64>>, String> {
    let mut values = vec![None; assets.len()];
    for text in given {
        let refused = || format!("{flag} {text}: write A=0.5,B=0.5");
        let (name, value) = text.split_once('=').ok_or_else(refused)?;
        let at = place(flag, name, assets)?;
        let value = value.trim().parse::<f64>().ok().filter(|x| x.is_finite());
        if values[at].replace(value.ok_or_else(refused)?).is_some() {
            return Err(format!("{flag} names `{}` twice", name.trim()));
        }
    }
    Ok(values)
}

/// Weights by asset, what is not named being nothing: `equal`, `A=0.4,B=0.6`, or a JSON file with
/// `weights.{asset}`.
///
/// # Errors
/// As `by_asset`; a file that cannot be read, or has no weights.
pub fn weights(flag: &str, given: &[String], assets: &[String]) -> Result<Vec<f64>, String> {
    let [only] = given else {
        return Ok(filled(by_asset(flag, given, assets)?));
    };
    if only == "equal" {
        return Ok(vec![1.0 / assets.len() as f64; assets.len()]);
    }
    if !is_file(only) {
        return Ok(filled(by_asset(flag, given, assets)?));
    }
    let mut values = vec![0.0; assets.len()];
    for (name, value) in read(flag, only)? {
        values[place(flag, &name, assets)?] = value;
    }
    Ok(values)
}

/// The same of weights that only hint: assets in the file that are not here count for nothing.
///
/// # Errors
/// As `weights`; a file that has none of the assets.
pub fn hinted(flag: &str, given: &[String], assets: &[String]) -> Result<Vec<f64>, String> {
    let only = given.first().filter(|only| given.len() == 1 && is_file(only));
    let Some(only) = only else { return weights(flag, given, assets) };
    let mut values = vec![0.0; assets.len()];
    let mut is_any = false;
    for (name, value) in read(flag, only)? {
        if let Some(at) = assets.iter().position(|asset| *asset == name) {
            values[at] = value;
            is_any = true;
        }
    }
    if !is_any {
        return Err(format!("{flag} {only}: none of its weights is of an asset here"));
    }
    Ok(values)
}

fn is_file(only: &str) -> bool {
    Path::new(only).extension().is_some_and(|end| end.eq_ignore_ascii_case("json"))
}

/// `weights.{asset}` of a JSON file.
fn read(flag: &str, only: &str) -> Result<Vec<(String, f64)>, String> {
    let text = std::fs::read_to_string(only).map_err(|error| format!("{flag} {only}: {error}"))?;
    let file: Value = serde_json::from_str(&text)
        .map_err(|error| format!("{flag} {only}: this is no JSON: {error}"))?;
    let found = file["weights"].as_object().ok_or_else(|| {
        format!("{flag} {only}: there is no `weights`; give what `bot4 optimize --json` printed")
    })?;
    let number = |(name, value): (&String, &Value)| {
        let value = value.as_f64().filter(|x| x.is_finite());
        let value = value.ok_or_else(|| format!("{flag} {only}: `{name}` is no number"))?;
        Ok((name.clone(), value))
    };
    found.iter().map(number).collect()
}

fn filled(values: Vec<Option<f64>>) -> Vec<f64> {
    values.into_iter().map(|value| value.unwrap_or(0.0)).collect()
}

/// A group of assets with a number: `tech=A+B=0.4`.
///
/// # Errors
/// What is not written so, an unknown asset; in words.
pub fn group(
    flag: &str,
    text: &str,
    assets: &[String],
) -> Result<(String, Vec<usize>, f64), String> {
    let refused = || format!("{flag} {text}: write tech=A+B=0.4");
    let mut parts = text.splitn(3, '=');
    let (Some(name), Some(members), Some(value)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(refused());
    };
    let members = members.split('+').map(|member| place(flag, member, assets));
    let value = value.trim().parse::<f64>().ok().filter(|x| x.is_finite());
    Ok((name.trim().to_owned(), members.collect::<Result<_, _>>()?, value.ok_or_else(refused)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assets() -> Vec<String> {
        ["A", "B", "C"].map(str::to_owned).to_vec()
    }

    fn read(given: &[&str]) -> Result<Vec<f64>, String> {
        weights("--weights", &given.iter().map(ToString::to_string).collect::<Vec<_>>(), &assets())
    }

    #[test]
    fn weights_are_read() {
        assert_eq!(read(&["A=0.4", "C=-0.2"]), Ok(vec![0.4, 0.0, -0.2]));
        assert_eq!(read(&["B=1"]), Ok(vec![0.0, 1.0, 0.0]));
        assert_eq!(read(&["equal"]).map(|w| w.len()), Ok(3));
        let parts = group("--group", "tech=A+C=0.4", &assets());
        assert_eq!(parts, Ok(("tech".to_owned(), vec![0, 2], 0.4)));
    }

    #[test]
    fn what_is_no_weight_is_named() {
        for (given, wanted) in [
            (&["D=0.4"][..], "no asset `D`; there are A, B, C"),
            (&["A=x"], "write A=0.5"),
            (&["A=1", "A=2"], "`A` twice"),
            (&["none.json"], "none.json"),
        ] {
            let words = read(given).expect_err("wrong");
            assert!(words.contains(wanted), "{words}");
        }
        assert!(group("--group", "tech=A", &assets()).is_err());
    }
}
