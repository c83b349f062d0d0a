//! Which combinations of settings are tried.

use super::{Setting, Together, Vary};

/// One combination, beside the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// What is set otherwise than in the base.
    pub settings: Vec<Setting>,
}

/// What `vary` says: one option after the other, all else as in the base; or with `grid` every combination, the last option
/// changing fastest. Then each of `also`.
pub fn points(vary: &[Vary], also: &[Together], grid: bool) -> Vec<Point> {
    let varied = merged(vary);
    let of = |vary: &Vary| -> Vec<Setting> {
        let setting = |value: &String| Setting { option: vary.option.clone(), value: value.clone() };
        vary.values.iter().map(setting).collect()
    };
    let combinations: Vec<Vec<Setting>> = match grid {
        false => varied.iter().flat_map(of).map(|setting| vec![setting]).collect(),
        true if varied.is_empty() => Vec::new(),
        true => varied.iter().fold(vec![Vec::new()], |rows: Vec<Vec<Setting>>, vary| {
            let with = |row: &Vec<Setting>, setting| row.iter().cloned().chain([setting]).collect();
            rows.iter().flat_map(|row| of(vary).into_iter().map(move |setting| with(row, setting))).collect()
        }),
    };
    let also = also.iter().map(|Together(settings)| settings.clone());
    combinations.into_iter().chain(also).map(|settings| Point { settings }).collect()
}

/// One entry an option, its values in the order in which they were given.
fn merged(vary: &[Vary]) -> Vec<Vary> {
    let mut merged: Vec<Vary> = Vec::new();
    for vary in vary {
        match merged.iter_mut().find(|known| known.option == vary.option) {
            Some(known) => known.values.extend(vary.values.iter().cloned()),
            None => merged.push(vary.clone()),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(vary: &[&str], also: &[&str], grid: bool) -> Vec<String> {
        let vary: Vec<Vary> = vary.iter().map(|text| text.parse().unwrap()).collect();
        let also: Vec<Together> = also.iter().map(|text| text.parse().unwrap()).collect();
        let text =
            |point: Point| point.settings.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        points(&vary, &also, grid).into_iter().map(text).collect()
    }

    #[test]
    fn one_option_is_varied_at_a_time() {
        assert_eq!(texts(&["a=1,2", "b=x"], &["a=2,b=x"], false), ["a=1", "a=2", "b=x", "a=2 b=x"]);
    }

    #[test]
    fn a_grid_has_every_combination_and_an_option_given_twice_is_one() {
        let grid = texts(&["a=1", "b=x,y", "a=2"], &[], true);
        assert_eq!(grid, ["a=1 b=x", "a=1 b=y", "a=2 b=x", "a=2 b=y"]);
        assert_eq!(texts(&[], &["a=1"], true), ["a=1"]);
    }
}
