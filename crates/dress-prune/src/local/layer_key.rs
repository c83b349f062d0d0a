//! What two layers that were made apart differ in.

use dress_train::differences;
use serde_json::Value;

/// What two keys of [`LocalByParts::key`](crate::LocalByParts::key) differ in, as [`differences`] says it.
/// The path of the calibration's text does not count: earlier versions kept it, and the text's hashes say
/// which text it is.
pub fn layer_differences(there: &Value, here: &Value) -> Vec<String> {
    let [there, here] = [there, here].map(without_path);
    differences(&there, &here)
}

fn without_path(key: &Value) -> Value {
    let mut key = key.clone();
    if let Some(path) = key.pointer_mut("/plan/calibration/path") {
        *path = "".into();
    }
    key
}
