//! How the learning rate changes over a run.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The rates that weights of single precision can take steps of.
const LEAST: f64 = 1e-30;
const GREATEST: f64 = 1e6;

/// The way down from the highest rate, with `p` the share of it that is done and `end` the rate at its end as
/// a share of the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// None: the highest rate to the end.
    Constant,
    /// `1 - (1 - end) p`.
    Linear,
    /// `end + (1 - end) (1 + cos(pi p)) / 2`.
    #[default]
    Cosine,
    /// `end^p`: by the same factor every step.
    Geometric,
}

/// How the learning rate changes over a run: up in a straight line, then down as [`Decay`] says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LearningRate {
    /// The highest rate.
    pub peak: f64,
    /// Steps of the way up.
    pub warmup_steps: usize,
    /// The rate at the end, as a share of the highest.
    pub end: f64,
    /// The way down.
    pub decay: Decay,
}

impl Default for LearningRate {
    fn default() -> Self {
        Self { peak: 1e-4, warmup_steps: 5, end: 0.1, decay: Decay::Cosine }
    }
}

impl LearningRate {
    /// The rate of step `step` of `total`, both counted from 0.
    ///
    /// # Examples
    /// ```
    /// use dress_train::{Decay, LearningRate};
    ///
    /// let rate = LearningRate { peak: 1e-3, warmup_steps: 1, end: 0.1, decay: Decay::Linear };
    /// assert_eq!(rate.at(0, 4), 0.5e-3);
    /// assert_eq!(rate.at(1, 4), 1e-3);
    /// assert!((rate.at(3, 4) - 1e-4).abs() < 1e-12);
    /// ```
    pub fn at(&self, step: usize, total: usize) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step as f64 + 1.0) / (self.warmup_steps as f64 + 1.0);
        }
        let span = total.saturating_sub(self.warmup_steps.saturating_add(1)).max(1) as f64;
        let done = ((step - self.warmup_steps) as f64 / span).min(1.0);
        let share = match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear => 1.0 - (1.0 - self.end) * done,
            Decay::Cosine => self.end + (1.0 - self.end) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
            Decay::Geometric => self.end.powf(done),
        };
        self.peak * share
    }

    /// Checks that the rate is a positive number throughout.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<(), Error> {
        let (rate, end) = (self.peak, self.end);
        if !(LEAST..=GREATEST).contains(&rate) {
            let expected = "it has to be a positive number from 1e-30 to 1e6, such as 3e-4";
            return Err(Error::Setting { setting: "learning_rate", value: rate, expected });
        }
        if self.warmup_steps > 1_000_000_000 {
            let (value, expected) = (self.warmup_steps as f64, "it has to be at most 1000000000");
            return Err(Error::Setting { setting: "warmup_steps", value, expected });
        }
        let least = if self.decay == Decay::Geometric { f64::MIN_POSITIVE } else { 0.0 };
        if !(end >= least && end <= 1.0) {
            let expected =
                "it has to be a share of the highest rate, from 0 (above 0 to get there geometrically) to 1";
            return Err(Error::Setting { setting: "learning_rate_end", value: end, expected });
        }
        Ok(())
    }
}

impl Decay {
    /// The names of all decays, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 4] = ["constant", "linear", "cosine", "geometric"];
}

impl fmt::Display for Decay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Decay::Constant => "constant",
            Decay::Linear => "linear",
            Decay::Cosine => "cosine",
            Decay::Geometric => "geometric",
        })
    }
}

impl FromStr for Decay {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = [Decay::Constant, Decay::Linear, Decay::Cosine, Decay::Geometric];
        let found = all.into_iter().find(|decay| decay.to_string() == text);
        found.ok_or_else(|| Error::Name {
            what: "decay of the learning rate",
            name: text.into(),
            known: "constant, linear, cosine or geometric",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_climbs_to_its_peak_and_ends_at_its_share() {
        for decay in [Decay::Linear, Decay::Cosine, Decay::Geometric] {
            let rate = LearningRate { peak: 1.0, warmup_steps: 4, end: 0.1, decay };
            let rates: Vec<f64> = (0..20).map(|step| rate.at(step, 20)).collect();
            assert!(rates[..5].windows(2).all(|w| w[0] < w[1]));
            assert!(rates[4..].windows(2).all(|w| w[0] > w[1]), "{decay}");
            assert!((rates[4] - 1.0).abs() < 1e-12 && (rates[19] - 0.1).abs() < 1e-12, "{decay}");
        }
    }

    #[test]
    fn a_constant_rate_stays_and_a_geometric_one_falls_by_the_same_factor() {
        let rate = |decay| LearningRate { peak: 2.0, warmup_steps: 0, end: 0.01, decay };
        assert!((0..9).all(|step| rate(Decay::Constant).at(step, 9) == 2.0));
        let rates: Vec<f64> = (0..9).map(|step| rate(Decay::Geometric).at(step, 9)).collect();
        assert!(rates.windows(2).all(|w| (w[1] / w[0] - 0.01f64.powf(0.125)).abs() < 1e-9));
    }

    #[test]
    fn an_end_that_is_no_share_is_an_error() {
        let rate = |end, decay| LearningRate { end, decay, ..LearningRate::default() }.check();
        assert!(rate(0.0, Decay::Geometric).is_err() && rate(1.5, Decay::Linear).is_err());
        assert!(rate(0.0, Decay::Cosine).is_ok());
    }
}
