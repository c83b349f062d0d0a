//! Criteria by name, and what each can say something of.

use crate::gradients::FirstOrder;
use crate::weights::Magnitude;
use crate::{Aggregate, Error, Taylor};
use dress_core::{Axis, CouplingMap};
use std::fmt;
use std::str::FromStr;

/// One of the criteria here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// The L1 norm of the weights.
    MagnitudeL1,
    /// The L2 norm of the weights.
    MagnitudeL2,
    /// The norm of the activations.
    ActivationNorm,
    /// Weights times the norm of the activations they meet.
    Wanda,
    /// FLAP's fluctuation of the activations.
    FlapIfv,
    /// FLAP's fluctuation, weighted.
    FlapWifv,
    /// FLAP's weighted norm.
    FlapWifn,
    /// FLAP's weighted fluctuation, standardized within each axis so that axes compare.
    Flap,
    /// Minitron's activations, their mean over each sequence.
    Minitron,
    /// Weights times gradients.
    Taylor(Taylor),
    /// The empirical Fisher information.
    Fisher,
    /// How much a layer turns the stream.
    BlockInfluence,
    /// The greedy search for layers that are not missed.
    Sleb,
    /// Chance.
    Random,
}

const fn taylor_form(vector: bool, aggregate: Aggregate) -> Criterion {
    Criterion::Taylor(Taylor { vector, aggregate })
}

/// The name of each on the command line, in plans and in results.
const NAMES: [(&str, Criterion); 21] = [
    ("magnitude-l1", Criterion::MagnitudeL1),
    ("magnitude-l2", Criterion::MagnitudeL2),
    ("activation-norm", Criterion::ActivationNorm),
    ("wanda", Criterion::Wanda),
    ("flap-ifv", Criterion::FlapIfv),
    ("flap-wifv", Criterion::FlapWifv),
    ("flap-wifn", Criterion::FlapWifn),
    ("flap", Criterion::Flap),
    ("minitron", Criterion::Minitron),
    ("taylor", taylor_form(false, Aggregate::Sum)),
    ("taylor-max", taylor_form(false, Aggregate::Max)),
    ("taylor-prod", taylor_form(false, Aggregate::Prod)),
    ("taylor-last", taylor_form(false, Aggregate::Last)),
    ("taylor-vector", taylor_form(true, Aggregate::Sum)),
    ("taylor-vector-max", taylor_form(true, Aggregate::Max)),
    ("taylor-vector-prod", taylor_form(true, Aggregate::Prod)),
    ("taylor-vector-last", taylor_form(true, Aggregate::Last)),
    ("fisher", Criterion::Fisher),
    ("block-influence", Criterion::BlockInfluence),
    ("sleb", Criterion::Sleb),
    ("random", Criterion::Random),
];

impl Criterion {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Criterion> {
        NAMES.into_iter().map(|(_, criterion)| criterion)
    }

    /// The name that the command line, plans and results use.
    pub fn name(self) -> &'static str {
        NAMES.into_iter().find(|(_, criterion)| *criterion == self).map_or("", |(name, _)| name)
    }

    /// Whether it looks at calibration data.
    pub fn needs_calibration(self) -> bool {
        !matches!(self, Criterion::MagnitudeL1 | Criterion::MagnitudeL2 | Criterion::Random)
    }

    /// Whether it draws its scores, so that they depend on a seed.
    pub fn draws(self) -> bool {
        self == Criterion::Random
    }

    /// Whether it looks at gradients, for which a pass goes back as well.
    pub fn needs_gradients(self) -> bool {
        self.first_order().is_some()
    }

    /// Whether its scores of different axes are in one unit, so that they can be ranked together as they are.
    pub fn is_comparable(self) -> bool {
        self == Criterion::Flap
    }

    /// Whether it scores channels, neurons and heads.
    pub fn scores_widths(self) -> bool {
        !matches!(self, Criterion::BlockInfluence | Criterion::Sleb)
    }

    /// Whether it scores whole layers.
    pub fn scores_depth(self) -> bool {
        !self.scores_widths() || self == Criterion::Random
    }

    /// Checks that this criterion can say something of every axis.
    pub(crate) fn check(self, map: &CouplingMap, axes: &[Axis]) -> Result<(), dress_core::Error> {
        for &axis in axes {
            map.axis(axis)?;
            let scored = if axis == Axis::Depth { self.scores_depth() } else { self.scores_widths() };
            if !scored {
                let use_instead = match axis {
                    Axis::Depth => "block-influence, sleb or random",
                    _ => "one that scores widths, such as activation-norm",
                };
                let (criterion, axis) = (self.name().into(), axis.to_string());
                return Err(dress_core::Error::CriterionOfAxis { criterion, axis, use_instead });
            }
        }
        Ok(())
    }

    /// What it makes of weights and gradients, where it looks at those.
    pub(crate) fn first_order(self) -> Option<FirstOrder> {
        match self {
            Criterion::Taylor(form) => Some(FirstOrder::Taylor(form)),
            Criterion::Fisher => Some(FirstOrder::Fisher),
            _ => None,
        }
    }

    /// The norm it takes of the weights alone, where it does.
    pub(crate) fn magnitude(self) -> Option<Magnitude> {
        match self {
            Criterion::MagnitudeL1 => Some(Magnitude::L1),
            Criterion::MagnitudeL2 => Some(Magnitude::L2),
            _ => None,
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Criterion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl FromStr for Criterion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = || NAMES.map(|(name, _)| name).join(", ");
        let found = NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, criterion)| criterion);
        found.ok_or_else(|| Error::CriterionName { name: text.into(), known: known() })
    }
}
