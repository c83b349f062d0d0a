//! How a strength changes over a run.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where the geometric ramp starts.
const GEOMETRIC_START: f64 = 0.01;

/// A factor that climbs to one over the first `ramp` of the steps and stays there: of lambda for a penalty,
/// and what is taken off one for a gate. With `p = share / ramp`, at most 1:
///
/// # Examples
/// ```
/// use dress_regularize::Schedule;
///
/// // Up over the first fifth of the steps, slowly at both ends.
/// let schedule: Schedule = "cosine:0.2".parse()?;
/// assert_eq!(schedule.at(0.0), 0.0);
/// assert!((schedule.at(0.1) - 0.5).abs() < 1e-12);
/// assert_eq!(schedule.at(0.2), 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Schedule {
    /// `1` throughout.
    Constant,
    /// `p`.
    Linear {
        /// The share of the steps on the way up, in `(0, 1]`.
        ramp: f64,
    },
    /// `(1 - cos(pi p)) / 2`: slowly at both ends.
    Cosine {
        /// The share of the steps on the way up, in `(0, 1]`.
        ramp: f64,
    },
    /// `0.01^(1 - p)`: growing by the same factor every step.
    Growing {
        /// The share of the steps on the way up, in `(0, 1]`.
        ramp: f64,
    },
}

impl Schedule {
    /// The names of all schedules, as they are written on command lines and in files, a ramp behind all but
    /// the first.
    pub const NAMES: [&'static str; 4] = ["constant", "linear", "cosine", "growing"];

    /// The factor where `share` of the steps are done, in `[0, 1]`.
    pub fn at(&self, share: f64) -> f64 {
        let done = (share / self.ramp()).min(1.0);
        match self {
            Schedule::Constant => 1.0,
            Schedule::Linear { .. } => done,
            // Exactly one at the end, so that a gate closes.
            _ if done == 1.0 => 1.0,
            Schedule::Cosine { .. } => 0.5 * (1.0 - (std::f64::consts::PI * done).cos()),
            Schedule::Growing { .. } => GEOMETRIC_START.powf(1.0 - done),
        }
    }

    /// The share of the steps on the way up.
    pub fn ramp(&self) -> f64 {
        match self {
            Schedule::Constant => f64::MIN_POSITIVE,
            Schedule::Linear { ramp } | Schedule::Cosine { ramp } | Schedule::Growing { ramp } => *ramp,
        }
    }

    /// Checks that the ramp ends within the run.
    ///
    /// # Errors
    /// [`Error::Ramp`].
    pub fn check(&self) -> Result<(), Error> {
        let ramp = self.ramp();
        if ramp > 0.0 && ramp <= 1.0 { Ok(()) } else { Err(Error::Ramp { ramp }) }
    }

    fn name(&self) -> &'static str {
        match self {
            Schedule::Constant => "constant",
            Schedule::Linear { .. } => "linear",
            Schedule::Cosine { .. } => "cosine",
            Schedule::Growing { .. } => "growing",
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Constant => f.write_str(self.name()),
            _ => write!(f, "{}:{}", self.name(), self.ramp()),
        }
    }
}

impl FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::ScheduleName { name: text.into() };
        let (name, ramp) = match text.split_once(':') {
            None => (text, 1.0),
            Some(("constant", _)) => return Err(unknown()),
            Some((name, ramp)) => (name, ramp.parse().map_err(|_| unknown())?),
        };
        let schedule = match name {
            "constant" => Schedule::Constant,
            "linear" => Schedule::Linear { ramp },
            "cosine" => Schedule::Cosine { ramp },
            "growing" => Schedule::Growing { ramp },
            _ => return Err(unknown()),
        };
        schedule.check().map_err(|_| unknown())?;
        Ok(schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_reaches_full_strength_where_it_says() {
        let schedule: Schedule = "linear:0.25".parse().unwrap();
        assert_eq!([0.0, 0.125, 0.25, 0.9].map(|s| schedule.at(s)), [0.0, 0.5, 1.0, 1.0]);
        assert_eq!(schedule.to_string().parse::<Schedule>().unwrap(), schedule);
        assert_eq!("constant".parse::<Schedule>().unwrap().at(0.0), 1.0);
    }

    #[test]
    fn every_schedule_climbs_to_exactly_one_and_stays() {
        for name in ["constant", "linear:0.3", "cosine:0.3", "growing:0.3", "cosine", "growing"] {
            let schedule: Schedule = name.parse().unwrap();
            let values: Vec<f64> = (0..=10).map(|i| schedule.at(f64::from(i) / 10.0)).collect();
            assert!(values.windows(2).all(|w| w[0] <= w[1]), "{name}: {values:?}");
            assert_eq!([values[10], schedule.at(schedule.ramp())], [1.0, 1.0], "{name}");
        }
        let cosine: Schedule = "cosine:0.5".parse().unwrap();
        assert!((cosine.at(0.25) - 0.5).abs() < 1e-12 && cosine.at(0.0) == 0.0);
        let growing: Schedule = "growing".parse().unwrap();
        assert!((growing.at(0.75) / growing.at(0.5) - growing.at(0.5) / growing.at(0.25)).abs() < 1e-9);
    }

    #[test]
    fn every_name_is_a_schedule_s() {
        for name in Schedule::NAMES {
            assert_eq!(name.parse::<Schedule>().unwrap().name(), name);
        }
    }

    #[test]
    fn an_unknown_schedule_is_an_error_that_lists_the_known() {
        for name in ["cosin", "linear:0", "linear:x", "constant:1", "cosine:1.5"] {
            let message = name.parse::<Schedule>().unwrap_err().to_string();
            assert!(message.contains(name) && message.contains("constant"), "{message}");
        }
    }
}
