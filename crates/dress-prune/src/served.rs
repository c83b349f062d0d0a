//! Shapes that the engines take which serve the result.

use crate::another_share::{as_multiples_allow, warn_of_another_share};
use crate::check_served::refusal;
use crate::costs::Costs;
use crate::gone::Gone;
use crate::served_size::{Size, combinations, named, targets, warn_of_another_size};
use crate::{Allocation, AxisTarget, Budget, Error, Measure, TOLERANCE};
use dress_core::{Axis, AxisKind, AxisSelection, CausalLm, CouplingMap, Ratio, Selection, StockTarget};
use dress_engines::{Demand, EngineFormat, ModelShape, least_common_multiple};
use std::collections::{BTreeMap, BTreeSet};

/// How far a size may be from the one that was asked for, as a share of its axis.
const NEAR: f64 = 0.125;

/// Ratios that a budget tries.
const STEPS: usize = 400;

/// What is demanded of the types of weights, the first that leaves a shape counts: those that a format has,
/// or where no size gets them (a width of 576 is itself no multiple of 256) those that the weights of the
/// model as it is get.
const DEMANDS: [Demand; 2] = [Demand::InFull, Demand::AsTheyAre];

/// The shapes of one model that a target and some engines take.
pub(crate) struct ServedShapes<'a, M> {
    /// The model whose share stays.
    dense: &'a M,
    /// The same with what its result will have besides: a head of its own, biases.
    pub counted: &'a M,
    pub stock: StockTarget,
    tile: usize,
    pub formats: &'a [EngineFormat],
    pub shape: ModelShape,
    map: CouplingMap,
    /// Whether layers may differ, of which engines may want more.
    differing: bool,
}

impl<'a, M: CausalLm> ServedShapes<'a, M> {
    /// Shapes of `dense`, which is `counted` with what its result has besides.
    ///
    /// # Errors
    /// [`Error::NotServed`] where an engine does not have the family.
    pub fn new(
        [dense, counted]: [&'a M; 2],
        stock: StockTarget,
        tile: usize,
        formats: &'a [EngineFormat],
    ) -> Result<Self, Error> {
        let (shape, map) = (ModelShape::of(counted), counted.coupling());
        for format in formats {
            if let Some(reason) = format.without_family(shape.architecture()) {
                return Err(Error::NotServed { format: format.to_string(), reason });
            }
        }
        Ok(Self { dense, counted, stock, tile, formats, shape, map, differing: false })
    }

    /// The same where layers may differ, or may not.
    pub fn differing(self, differing: bool) -> Self {
        Self { differing, ..self }
    }

    /// The shape nearest to what is asked for, in which every kind loses something that is asked to.
    ///
    /// # Errors
    /// [`Error::NoServedShape`] where a size would be far from what is asked for, with shapes that can be.
    pub fn nearest(&self, asked: &[(AxisKind, Ratio)]) -> Result<Vec<AxisTarget>, Error> {
        let mut reason = None;
        for demand in DEMANDS {
            match self.first_taken(asked, demand, true)? {
                Ok(sizes) => {
                    sizes
                        .iter()
                        .zip(asked)
                        .for_each(|(size, (_, ratio))| warn_of_another_size(*size, *ratio));
                    return targets(&sizes);
                }
                Err(why) => reason = reason.or(why),
            }
        }
        let mean = asked.iter().map(|(_, ratio)| ratio.get()).fold(0.0, f64::max);
        Err(self.no_shape(reason, Ratio::new(mean)?)?)
    }

    /// The largest shape that has at most a share of what is counted, bytes as the engines serve them: of
    /// several the greatest share. Every kind loses about the same share; layers in `spared` keep their
    /// neurons and heads.
    ///
    /// # Errors
    /// [`Error::NoServedShape`].
    pub fn largest(
        &self,
        kinds: &[AxisKind],
        measure: Measure,
        share: f64,
        spared: &[usize],
    ) -> Result<Vec<AxisTarget>, Error> {
        let (left, sizes) = self.largest_sizes(kinds, measure, share, spared)?;
        tracing::info!("{left:.4} is left where {share} may be");
        warn_of_another_share(measure.counted(), [share, left], || {
            let steps: BTreeMap<AxisKind, usize> = sizes.iter().map(|size| (size.kind, size.step)).collect();
            let rest = "the target and the engines take no larger shape within that";
            as_multiples_allow(&steps, self.formats, rest)
        });
        targets(&sizes)
    }

    /// Checks that some shape, all layers alike, has at most a share of the bytes as served.
    ///
    /// # Errors
    /// [`Error::NoServedShape`].
    pub fn check_within(&self, kinds: &[AxisKind], share: f64) -> Result<(), Error> {
        self.largest_sizes(kinds, Measure::Bytes, share, &[]).map(|_| ())
    }

    /// The same by its sizes, with the share that it has.
    fn largest_sizes(
        &self,
        kinds: &[AxisKind],
        measure: Measure,
        share: f64,
        spared: &[usize],
    ) -> Result<(f64, Vec<Size>), Error> {
        let counting = Counting::new(self, measure);
        for demand in DEMANDS {
            let mut shapes = Vec::new();
            for sizes in self.shapes_of(kinds, demand)? {
                let left = counting.share(&self.gone(&sizes, spared)?)?;
                if left <= share * (1.0 + TOLERANCE) {
                    shapes.push((left, sizes));
                }
            }
            shapes.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            for (left, sizes) in shapes {
                if self.refusal(&sizes, spared)?.is_none() {
                    return Ok((left, sizes));
                }
            }
        }
        let reason = format!("none of them leaves at most {share} of the model");
        Err(self.no_shape(Some(reason), Ratio::new(1.0 - share)?)?)
    }

    /// Of what the kept count of a kind has to be a multiple.
    ///
    /// # Errors
    /// [`Error::NoServedShape`] where nothing could go.
    pub fn step(&self, kind: AxisKind) -> Result<usize, Error> {
        let len = self.len(kind)?;
        let steps = DEMANDS.map(|demand| self.step_of(kind, demand));
        match steps.into_iter().find(|step| *step < len) {
            Some(step) => Ok(step),
            None => {
                let reason =
                    format!("{kind} would have to stay a multiple of {}, and there are {len}", steps[1]);
                Err(self.no_shape(Some(reason), Ratio::new(0.25)?)?)
            }
        }
    }

    /// Checks that the engines take layers that differ in these kinds.
    ///
    /// # Errors
    /// [`Error::NotServed`].
    pub fn check_differing(&self, kinds: &[AxisKind]) -> Result<(), Error> {
        let mut selection = Selection::new();
        for &kind in kinds {
            let Some(&axis) = self.map.of_kind(kind)?.iter().find(|axis| axis.layer().is_some()) else {
                continue;
            };
            let (len, step) = (self.map.axis(axis)?.len, self.step(kind)?);
            selection = selection
                .with(axis, AxisSelection::new(len, (len.saturating_sub(step).max(1)..len).collect())?);
        }
        let shape = self.shape.sliced(&selection);
        let refused = self.formats.iter().find_map(|format| Some((format, refusal(format, &shape)?)));
        match refused {
            Some((format, reason)) => Err(Error::NotServed { format: format.to_string(), reason }),
            None => Ok(()),
        }
    }

    pub fn step_of(&self, kind: AxisKind, demand: Demand) -> usize {
        if kind == AxisKind::Depth {
            return 1;
        }
        let step = |format: &EngineFormat| {
            let step = format.step(&self.shape, kind, demand);
            let where_layers_differ =
                if self.differing { format.step_where_layers_differ(&self.shape, kind) } else { 1 };
            least_common_multiple(step, where_layers_differ)
        };
        self.formats.iter().map(step).fold(self.tile.max(1), least_common_multiple)
    }

    /// The length of the longest axis of a kind.
    pub fn len(&self, kind: AxisKind) -> Result<usize, Error> {
        let map = &self.map;
        let lengths = map.of_kind(kind)?.into_iter().map(|axis| Ok(map.axis(axis)?.len));
        Ok(lengths.collect::<Result<Vec<_>, Error>>()?.into_iter().max().unwrap_or(0))
    }

    /// Of what the configuration wants the kept count of a kind to be a multiple.
    pub fn multiple(&self, kind: AxisKind) -> Result<usize, Error> {
        let map = &self.map;
        let first = map.of_kind(kind)?[0];
        Ok(map.axis(first)?.multiple_of.of(self.stock))
    }

    /// The sizes of a kind that may be taken for a ratio, those nearby or all.
    fn options(
        &self,
        kind: AxisKind,
        asked: Ratio,
        demand: Demand,
        nearby: bool,
    ) -> Result<Vec<Size>, Error> {
        let (len, step) = (self.len(kind)?, self.step_of(kind, demand));
        let size = |kept| Size { kind, len, kept, step };
        if asked.get() == 0.0 {
            return Ok(vec![size(len)]);
        }
        if kind == AxisKind::Depth {
            return Ok(vec![size(asked.kept(len, 1).min(len.saturating_sub(1).max(1)))]);
        }
        // Half a step of the configuration's own is never far.
        let reach = NEAR.max(0.5 * self.multiple(kind)? as f64 / len as f64);
        let sizes = (step..len).step_by(step).map(size);
        Ok(sizes.filter(|size| !nearby || size.off(asked) <= reach).collect())
    }

    /// The shape nearest to what is asked for that everybody takes; of two as near, the smaller. Else why the
    /// nearest is not taken, if there is one.
    fn first_taken(
        &self,
        asked: &[(AxisKind, Ratio)],
        demand: Demand,
        nearby: bool,
    ) -> Result<Result<Vec<Size>, Option<String>>, Error> {
        let options = asked.iter().map(|&(kind, ratio)| self.options(kind, ratio, demand, nearby));
        let options = options.collect::<Result<Vec<_>, Error>>()?;
        if let Some((kind, _)) =
            asked.iter().zip(&options).find(|(_, sizes)| sizes.is_empty()).map(|(asked, _)| *asked)
        {
            let step = self.step_of(kind, demand);
            return Ok(Err(Some(format!("{kind} would stay a multiple of {step}, and none is near"))));
        }
        let mut shapes = combinations(&options);
        let off =
            |sizes: &[Size]| sizes.iter().zip(asked).map(|(size, (_, ratio))| size.off(*ratio)).sum::<f64>();
        // Rounded, so that of two that are equally far the smaller comes first.
        shapes.sort_by_key(|sizes| ((off(sizes) * 1e9).round() as u64, sizes.clone()));
        let mut first = None;
        for sizes in shapes {
            match self.refusal(&sizes, &[])? {
                None => return Ok(Ok(sizes)),
                Some(reason) => first = first.or(Some(reason)),
            }
        }
        Ok(Err(first))
    }

    /// Every shape in which all kinds keep about the same share.
    fn shapes_of(&self, kinds: &[AxisKind], demand: Demand) -> Result<BTreeSet<Vec<Size>>, Error> {
        let mut shapes = BTreeSet::new();
        for part in 1..STEPS {
            let ratio = Ratio::new(part as f64 / STEPS as f64)?;
            let around = |&kind: &AxisKind| {
                let (len, step) = (self.len(kind)?, self.step_of(kind, demand));
                let below = ((1.0 - ratio.get()) * len as f64 / step as f64) as usize * step;
                let both = [below, (below + step).min(len)].into_iter().filter(|kept| *kept > 0);
                Ok(both.map(|kept| Size { kind, len, kept, step }).collect())
            };
            let options = kinds.iter().map(around).collect::<Result<Vec<Vec<Size>>, Error>>()?;
            shapes.extend(combinations(&options));
        }
        shapes.retain(|sizes| sizes.iter().any(|size| size.kept < size.len));
        Ok(shapes)
    }

    /// How many structures go of each axis.
    pub fn gone(&self, sizes: &[Size], spared: &[usize]) -> Result<Gone, Error> {
        let map = &self.map;
        let is_spared = |axis: &Axis| axis.layer().is_some_and(|layer| spared.contains(&layer));
        let mut gone = Gone::new();
        for size in sizes.iter().filter(|size| size.kept < size.len) {
            let ratio = size.ratio()?;
            for axis in map.of_kind(size.kind)?.into_iter().filter(|axis| !is_spared(axis)) {
                let len = map.axis(axis)?.len;
                gone.insert(axis, len - ratio.kept(len, size.step));
            }
        }
        Ok(gone)
    }

    /// A selection of as many structures, whichever they are.
    pub fn selection(&self, gone: &Gone) -> Result<Selection, Error> {
        let map = &self.map;
        let mut selection = Selection::new();
        for (&axis, gone) in gone {
            let len = map.axis(axis)?.len;
            selection = selection.with(axis, AxisSelection::new(len, (len - gone..len).collect())?);
        }
        Ok(selection)
    }

    /// Why a shape is not taken, if it is not.
    pub fn refusal(&self, sizes: &[Size], spared: &[usize]) -> Result<Option<String>, Error> {
        let selection = self.selection(&self.gone(sizes, spared)?)?;
        if let Err(error) = self.counted.check_stock(&selection, self.stock) {
            return Ok(Some(error.to_string()));
        }
        let shape = self.shape.sliced(&selection);
        let refused = |format: &EngineFormat| Some(format!("{format}: {}", refusal(format, &shape)?));
        Ok(self.formats.iter().find_map(refused))
    }

    fn no_shape(&self, reason: Option<String>, asked: Ratio) -> Result<Error, Error> {
        let formats = self.formats.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
        Ok(Error::NoServedShape { formats, reason, possible: self.possible(asked)? })
    }

    /// The shapes of one axis, and of width and heads together, that are nearest to a ratio.
    pub fn possible(&self, asked: Ratio) -> Result<Vec<String>, Error> {
        use AxisKind::{Ffn, Heads, Residual};
        let there = self.map.kinds();
        let mut possible = Vec::new();
        for kinds in [&[Residual][..], &[Ffn], &[Heads], &[Residual, Heads]] {
            if !kinds.iter().all(|kind| there.contains(kind)) {
                continue;
            }
            let asked: Vec<_> = kinds.iter().map(|&kind| (kind, asked)).collect();
            for demand in DEMANDS {
                if let Ok(sizes) = self.first_taken(&asked, demand, false)? {
                    possible.push(named(&sizes));
                    break;
                }
            }
        }
        Ok(possible)
    }
}

/// Shares of what is counted.
struct Counting<'a, M> {
    shapes: &'a ServedShapes<'a, M>,
    costs: Costs,
    /// What all of it is: of bytes as served, those of each format.
    whole: Vec<f64>,
    served: bool,
}

impl<'a, M: CausalLm> Counting<'a, M> {
    fn new(shapes: &'a ServedShapes<'a, M>, measure: Measure) -> Self {
        let served = measure == Measure::Bytes;
        let dense = ModelShape::of(shapes.dense);
        let whole = match served {
            true => shapes.formats.iter().map(|format| format.bytes(&dense) as f64).collect(),
            false => vec![Budget::share(shapes.dense, measure, 1.0).left],
        };
        Self { shapes, costs: Costs::new(shapes.counted, measure), whole, served }
    }

    fn share(&self, gone: &Gone) -> Result<f64, Error> {
        if !self.served {
            return Ok(self.costs.left(gone) / self.whole[0]);
        }
        let shape = self.shapes.shape.sliced(&self.shapes.selection(gone)?);
        let shares = self.shapes.formats.iter().zip(&self.whole);
        Ok(shares.map(|(format, whole)| format.bytes(&shape) as f64 / whole).fold(0.0, f64::max))
    }
}

/// How targets of settled sizes are shared out: evenly, or together where what the configuration wants of one
/// axis is not what it wants of it beside the others.
pub(crate) fn allocation_of<M: CausalLm>(
    model: &M,
    targets: &[AxisTarget],
    stock: StockTarget,
) -> Result<Allocation, Error> {
    let map = model.coupling();
    for target in targets {
        for axis in map.of_kind(target.kind)? {
            let slots = map.axis(axis)?;
            let step = least_common_multiple(slots.multiple_of.of(stock), target.tile.max(1));
            if target.ratio.kept(slots.len, step) != target.ratio.kept(slots.len, target.tile) {
                return Ok(Allocation::Together);
            }
        }
    }
    Ok(Allocation::Uniform)
}
