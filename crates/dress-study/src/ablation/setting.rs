//! One setting with one value, and how it changes a run.

use super::{PruneRun, Vary};
use std::fmt;
use std::sync::Arc;

/// A setting with a value, as `lambda=5`: its name, what the value reads like, and what it does to a run.
#[derive(Clone)]
pub struct Setting {
    name: String,
    value: String,
    set: Arc<dyn Fn(&mut PruneRun) + Send + Sync>,
}

impl Setting {
    /// `name` with `value`, that `set` gives to a run.
    ///
    /// ```
    /// use dress_study::ablation::Setting;
    ///
    /// let tiled = Setting::new("tile", 8, |run, value| run.recipe.tile = *value);
    /// assert_eq!(tiled.to_string(), "tile=8");
    /// ```
    pub fn new<V: fmt::Display + Send + Sync + 'static>(
        name: &str,
        value: V,
        set: impl Fn(&mut PruneRun, &V) + Send + Sync + 'static,
    ) -> Self {
        let text = value.to_string();
        Self { name: name.into(), value: text, set: Arc::new(move |run| set(run, &value)) }
    }

    /// `base` with this setting.
    pub fn on(&self, base: &PruneRun) -> PruneRun {
        let mut run = base.clone();
        (self.set)(&mut run);
        run
    }
}

/// One setting with the values that it takes one after the other.
///
/// ```
/// use dress_study::ablation::vary;
///
/// let tiles = vary("tile", [1, 8, 16], |run, value| run.recipe.tile = *value);
/// assert_eq!(tiles.settings.len(), 3);
/// ```
pub fn vary<V: fmt::Display + Send + Sync + 'static>(
    name: &str,
    values: impl IntoIterator<Item = V>,
    set: impl Fn(&mut PruneRun, &V) + Clone + Send + Sync + 'static,
) -> Vary<Setting> {
    let setting = |value| Setting::new(name, value, set.clone());
    Vary { name: name.into(), settings: values.into_iter().map(setting).collect() }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting({self})")
    }
}
