//! How much of each axis goes where that is given as ratios.

use crate::{AxisTarget, Error, RatioOf, Recipe};
use dress_core::Ratio;

impl Recipe {
    /// The ratios of the kinds that are named; those of single layers are the allocation's.
    pub(crate) fn by_ratios_of(&self, ratios: &[RatioOf]) -> Result<Vec<AxisTarget>, Error> {
        let named = RatioOf::of_kinds(ratios);
        if let Some(&axis) = self.axes.iter().find(|axis| !named.contains_key(axis)) {
            return Err(Error::AxisWithoutRatio { axis });
        }
        if named.keys().any(|kind| !self.axes.contains(kind)) {
            return Err(Error::AxesAndRatios { axes: self.axes.len(), ratios: named.len() });
        }
        if ratios.iter().all(|one| one.ratio.get() == 0.0) {
            return Err(Error::NothingSelected);
        }
        let target = |(&kind, &ratio)| AxisTarget::new(kind, ratio, self.tile);
        Ok(named.iter().map(target).collect())
    }

    /// The ratio of all axes, or those of the axes in their order.
    pub(crate) fn by_ratios(&self, ratios: &[Ratio]) -> Result<Vec<AxisTarget>, Error> {
        let (axes, given) = (self.axes.len(), ratios.len());
        if given != 1 && given != axes {
            return Err(Error::AxesAndRatios { axes, ratios: given });
        }
        if ratios.iter().all(|ratio| ratio.get() == 0.0) {
            return Err(Error::NothingSelected);
        }
        let ratio = |index: usize| ratios[if given == 1 { 0 } else { index }];
        let target = |(index, &kind)| AxisTarget::new(kind, ratio(index), self.tile);
        Ok(self.axes.iter().enumerate().map(target).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HowMuch;
    use dress_core::AxisKind;

    fn ratios(axes: &[AxisKind], ratios: &[f64]) -> Result<Vec<AxisTarget>, Error> {
        let ratios: Vec<Ratio> = ratios.iter().map(|&ratio| Ratio::new(ratio).unwrap()).collect();
        Recipe::new(axes.to_vec(), HowMuch::Ratios(ratios.clone())).by_ratios(&ratios)
    }

    #[test]
    fn ratios_that_name_their_axes_need_no_axes_beside_them() {
        let named = |axes: &[AxisKind], texts: &[&str]| {
            let ratios: Vec<RatioOf> = texts.iter().map(|text| text.parse().unwrap()).collect();
            let recipe = Recipe::new(axes.to_vec(), HowMuch::RatiosOf(ratios.clone()));
            recipe.by_ratios_of(&ratios)
        };
        let of = |targets: Vec<AxisTarget>| {
            targets.iter().map(|target| (target.kind, target.ratio.get())).collect::<Vec<_>>()
        };
        let both = [(AxisKind::Ffn, 0.3), (AxisKind::Heads, 0.5)];
        assert_eq!(of(named(&[], &["ffn.0-3=0", "ffn=0.3", "heads=0.5"]).unwrap()), both);
        let missing = named(&[AxisKind::Ffn, AxisKind::Residual], &["ffn=0.3"]);
        assert!(matches!(missing, Err(Error::AxisWithoutRatio { axis: AxisKind::Residual })));
        let more = named(&[AxisKind::Ffn], &["ffn=0.3", "heads=0.5"]);
        assert!(matches!(more, Err(Error::AxesAndRatios { axes: 1, ratios: 2 })));
        assert!(matches!(named(&[], &["ffn=0"]), Err(Error::NothingSelected)));
    }

    #[test]
    fn one_ratio_is_for_all_axes_and_several_are_in_their_order() {
        let both = [AxisKind::Residual, AxisKind::Ffn];
        let of =
            |targets: Vec<AxisTarget>| targets.iter().map(|target| target.ratio.get()).collect::<Vec<_>>();
        assert_eq!(of(ratios(&both, &[0.5]).unwrap()), [0.5, 0.5]);
        assert_eq!(of(ratios(&both, &[0.25, 0.5]).unwrap()), [0.25, 0.5]);
        assert!(matches!(ratios(&both, &[0.1; 3]), Err(Error::AxesAndRatios { axes: 2, ratios: 3 })));
        assert!(matches!(ratios(&both, &[0.0]), Err(Error::NothingSelected)));
    }
}
