//! What a penalty has to be better than.

use dress_prune::{HowMuch, PenaltyForm, Recipe, RegularizeConfig};
use dress_regularize::Schedule;
use dress_train::{TrainConfig, Trainable};

/// A run that a regularization is held against. Those that train do so for as many steps as the run that they
/// control, and have nothing else of its regularization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// The model sliced without any training.
    SlicedDirectly,
    /// The model sliced at once, and trained after that.
    SlicedFirst,
    /// The model trained without a penalty, and sliced after that.
    TrainedFirst,
}

impl Control {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SlicedDirectly, Self::SlicedFirst, Self::TrainedFirst];

    /// The name of its row.
    pub fn name(self) -> &'static str {
        match self {
            Self::SlicedDirectly => "control: sliced directly",
            Self::SlicedFirst => "control: sliced first, then trained",
            Self::TrainedFirst => "control: trained without a penalty, then sliced",
        }
    }

    /// The control of `base`. Low-rank factors cannot be trained without a gate, so that a base of them has
    /// no control that is trained first.
    pub fn of(self, base: &Recipe) -> Option<Recipe> {
        let usual = || Recipe::new(Vec::new(), HowMuch::Ratios(Vec::new())).regularize.unwrap_or_default();
        let trained = base.regularize.clone().unwrap_or_else(usual);
        let factors = trained.train.trainable != Trainable::All;
        let plain = |trainable: Trainable| RegularizeConfig {
            form: PenaltyForm::Off,
            distill: trained.distill,
            train: TrainConfig { trainable, ..trained.train.clone() },
            ..RegularizeConfig::default()
        };
        let regularize = match self {
            Self::SlicedDirectly => {
                return Some(Recipe {
                    regularize: None,
                    learning_rate: None,
                    precision: None,
                    ..base.clone()
                });
            }
            Self::SlicedFirst => {
                RegularizeConfig { gate: Some(Schedule::Constant), ..plain(trained.train.trainable.clone()) }
            }
            Self::TrainedFirst if factors => return None,
            Self::TrainedFirst => plain(Trainable::All),
        };
        Some(Recipe { regularize: Some(regularize), ..base.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::{AxisKind, Ratio};
    use dress_train::LoraConfig;

    #[test]
    fn a_control_trains_what_its_base_trains() {
        let ratio = HowMuch::Ratios(vec![Ratio::new(0.5).unwrap()]);
        let mut base = Recipe::new(vec![AxisKind::Ffn], ratio);
        let settings = base.regularize.as_mut().unwrap();
        (settings.lambda, settings.train.epochs) = (3.0, 7);
        assert_eq!(Control::SlicedDirectly.of(&base).unwrap().regularize, None);
        let first = Control::SlicedFirst.of(&base).unwrap().regularize.unwrap();
        assert_eq!((first.gate, first.form, first.lambda), (Some(Schedule::Constant), PenaltyForm::Off, 5.0));
        assert_eq!(first.train.epochs, 7);
        let last = Control::TrainedFirst.of(&base).unwrap().regularize.unwrap();
        assert_eq!((last.gate, last.form, last.train.epochs), (None, PenaltyForm::Off, 7));

        let factors = Trainable::Lora(LoraConfig::of_rank(8));
        base.regularize.as_mut().unwrap().train.trainable = factors.clone();
        assert_eq!(Control::TrainedFirst.of(&base), None);
        assert_eq!(Control::SlicedFirst.of(&base).unwrap().regularize.unwrap().train.trainable, factors);
    }
}
