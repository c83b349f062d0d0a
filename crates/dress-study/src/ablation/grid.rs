//! Which combinations of settings are tried.

/// One setting with the values that it takes one after the other; `S` is the setting with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vary<S> {
    /// The setting's name.
    pub name: String,
    /// It with each of its values.
    pub settings: Vec<S>,
}

/// What `vary` says, beside the base: one setting after the other, all else as in the base; or with `grid`
/// every combination, the last setting changing fastest. Then each of `also`.
pub fn combinations<S: Clone>(vary: &[Vary<S>], also: &[Vec<S>], grid: bool) -> Vec<Vec<S>> {
    let varied = merged(vary);
    let combinations: Vec<Vec<S>> = match grid {
        false => varied.into_iter().flat_map(|vary| vary.settings).map(|setting| vec![setting]).collect(),
        true if varied.is_empty() => Vec::new(),
        true => varied.iter().fold(vec![Vec::new()], |rows: Vec<Vec<S>>, vary| {
            let with = |row: &Vec<S>, setting: &S| row.iter().chain([setting]).cloned().collect();
            rows.iter().flat_map(|row| vary.settings.iter().map(move |setting| with(row, setting))).collect()
        }),
    };
    combinations.into_iter().chain(also.iter().cloned()).collect()
}

/// One entry a setting, its values in the order in which they were given.
fn merged<S: Clone>(vary: &[Vary<S>]) -> Vec<Vary<S>> {
    let mut merged: Vec<Vary<S>> = Vec::new();
    for vary in vary {
        match merged.iter_mut().find(|known| known.name == vary.name) {
            Some(known) => known.settings.extend(vary.settings.iter().cloned()),
            None => merged.push(vary.clone()),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varied(name: &str, values: &[&str]) -> Vary<String> {
        let settings = values.iter().map(|value| format!("{name}={value}")).collect();
        Vary { name: name.into(), settings }
    }

    fn texts(vary: &[Vary<String>], also: &[&[&str]], grid: bool) -> Vec<String> {
        let also: Vec<Vec<String>> =
            also.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
        combinations(vary, &also, grid).into_iter().map(|row| row.join(" ")).collect()
    }

    #[test]
    fn one_option_is_varied_at_a_time() {
        let vary = [varied("a", &["1", "2"]), varied("b", &["x"])];
        assert_eq!(texts(&vary, &[&["a=2", "b=x"]], false), ["a=1", "a=2", "b=x", "a=2 b=x"]);
    }

    #[test]
    fn a_grid_has_every_combination_and_an_option_given_twice_is_one() {
        let vary = [varied("a", &["1"]), varied("b", &["x", "y"]), varied("a", &["2"])];
        assert_eq!(texts(&vary, &[], true), ["a=1 b=x", "a=1 b=y", "a=2 b=x", "a=2 b=y"]);
        assert_eq!(texts(&[], &[&["a=1"]], true), ["a=1"]);
    }
}
