//! How the strength of a penalty changes over a run.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A factor of lambda over a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Schedule {
    /// Full strength throughout.
    Constant,
    /// From nothing to full strength over the first `ramp` of the steps, then constant.
    Linear {
        /// The share of the steps on the way up, in `(0, 1]`.
        ramp: f64,
    },
}

impl Schedule {
    /// The factor where `share` of the steps are done, in `[0, 1)`.
    pub fn at(&self, share: f64) -> f64 {
        match self {
            Schedule::Constant => 1.0,
            Schedule::Linear { ramp } => (share / ramp).min(1.0),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Constant => f.write_str("constant"),
            Schedule::Linear { ramp } => write!(f, "linear:{ramp}"),
        }
    }
}

impl FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::ScheduleName { name: text.into() };
        match text.split_once(':') {
            None if text == "constant" => Ok(Schedule::Constant),
            None if text == "linear" => Ok(Schedule::Linear { ramp: 1.0 }),
            Some(("linear", ramp)) => {
                let ramp: f64 = ramp.parse().map_err(|_| unknown())?;
                if ramp > 0.0 && ramp <= 1.0 { Ok(Schedule::Linear { ramp }) } else { Err(unknown()) }
            }
            _ => Err(unknown()),
        }
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
    fn an_unknown_schedule_is_an_error_that_lists_the_known() {
        for name in ["cosin", "linear:0", "linear:x", "constant:1"] {
            let message = name.parse::<Schedule>().unwrap_err().to_string();
            assert!(message.contains(name) && message.contains("constant"), "{message}");
        }
    }
}
