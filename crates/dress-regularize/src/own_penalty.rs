//! A penalty of another crate, among settings.

use crate::Error;
use dress_core::Penalty;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// A penalty of another crate, among settings: they are compared, and written to files, by its name.
///
/// Settings that were read from a file have the name alone. [`OwnPenalty::penalty`] is an error then.
///
/// # Examples
/// ```
/// use dress_core::Penalty;
/// use dress_regularize::{L1, OwnPenalty};
///
/// // L1 stands for a penalty of yours.
/// let own = OwnPenalty::new(L1);
/// assert_eq!((own.name(), own.penalty()?.name()), ("l1", "l1"));
/// # Ok::<(), dress_regularize::Error>(())
/// ```
#[derive(Clone)]
pub struct OwnPenalty {
    name: String,
    penalty: Option<Arc<dyn Penalty>>,
}

impl OwnPenalty {
    /// `penalty` among settings.
    pub fn new(penalty: impl Penalty + 'static) -> Self {
        Self { name: penalty.name().into(), penalty: Some(Arc::new(penalty)) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The penalty itself.
    ///
    /// # Errors
    /// [`Error::PenaltyNotGiven`] where its name alone is known.
    pub fn penalty(&self) -> Result<Arc<dyn Penalty>, Error> {
        self.penalty.clone().ok_or_else(|| Error::PenaltyNotGiven { name: self.name.clone() })
    }
}

impl PartialEq for OwnPenalty {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for OwnPenalty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnPenalty").field(&self.name).finish()
    }
}

impl Serialize for OwnPenalty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for OwnPenalty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { name: String::deserialize(deserializer)?, penalty: None })
    }
}
