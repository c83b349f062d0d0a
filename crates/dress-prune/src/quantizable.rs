//! Sizes that usual quantizers take, near those that were asked for.

use crate::check_served::refusal;
use crate::costs::Costs;
use crate::gone::Gone;
use crate::served::ServedShapes;
use crate::served_size::Size;
use crate::{
    AxisTarget, Error, HowMuch, Measure, QuantizationLoss, Recipe, RoundedSize, SizeRounding, Sizes,
    TOLERANCE,
};
use dress_core::{AxisKind, CausalLm, Ratio, Selection, StockTarget};
use dress_engines::{Demand, EngineFormat, least_common_multiple};

/// What is demanded of the types of weights, the first that is near enough counts: those that a format has;
/// those that the weights of the model as it is get, if they are quantized; any that are.
const DEMANDS: [&[Demand]; 3] =
    [&[Demand::InFull], &[Demand::AsTheyAre, Demand::Quantized], &[Demand::Quantized]];

/// The share of the parameters within which a size is looked for that is only named.
const NAMED: f64 = 0.2;

/// Sizes near those that were asked for.
struct Near<'a, M> {
    shapes: ServedShapes<'a, M>,
    asked: Vec<Size>,
    /// The fewest structures of each kind that may stay, as so many are protected.
    fewest: Vec<usize>,
    /// The parameters of shapes.
    costs: Costs,
    /// Those of the model as it is.
    whole: f64,
    /// What a budget counts, and how much of it may be left.
    budget: Option<(Costs, f64)>,
    /// Whether every size has to be one that the configuration takes beside all others as they are.
    alone: bool,
}

/// How much of the parameters a shape moves, and its sizes.
type Moved = (f64, Vec<Size>);

impl Recipe {
    /// Whether nothing but the ratios or the budget says what sizes are to be, so that they may be rounded.
    fn leaves_sizes_open(&self) -> bool {
        let is_said = match &self.how_much {
            HowMuch::Planned(_) => true,
            HowMuch::RatiosOf(ratios) => ratios.iter().any(|one| one.layers.is_some()),
            _ => false,
        };
        let alike = !self.per_layer && self.stock == StockTarget::All;
        let is_default = self.served_by.is_empty() && self.tile <= 1;
        self.sizes == Sizes::Quantizable && alike && is_default && !is_said
    }

    /// How much of each axis goes of `model` by [`Recipe::sizes`], and what became of what was asked for
    /// where quantizers do not take that.
    pub(crate) fn sized_targets<M: CausalLm>(
        &self,
        model: &M,
    ) -> Result<(Vec<AxisTarget>, Option<SizeRounding>), Error> {
        let targets = self.targets_as_asked(model)?;
        // A search has sizes of its own.
        if !self.leaves_sizes_open() || self.how_much.is_searched() {
            return Ok((targets, None));
        }
        let (counted, formats) = (self.counted(model), Sizes::formats_of(model)?);
        let shapes = ServedShapes::new([model, &counted], self.stock, self.tile, &formats)?;
        let Some(asked) = shapes.asked(&targets)? else { return Ok((targets, None)) };
        // What does not load the shape as it was asked for is not to say of what length its rows should be.
        let formats = shapes.loading(&asked)?;
        if formats.is_empty() {
            return Ok((targets, None));
        }
        let shapes = ServedShapes::new([model, &counted], self.stock, self.tile, &formats)?;
        let near = Near::new(self, model, shapes, asked)?;
        for demands in DEMANDS {
            if let Some(moved) = near.nearest(demands, Sizes::MOST)? {
                return near.rounded(targets, moved);
            }
        }
        let kept = near.kept(model)?;
        Ok((targets, kept))
    }

    /// Of what a search keeps the neurons a multiple where no engine is named: of what usual quantizers take,
    /// where less than [`Sizes::MOST`] of the parameters lies between two such sizes.
    pub(crate) fn quantizable_neurons<M: CausalLm>(&self, model: &M) -> Result<usize, Error> {
        let kind = AxisKind::Ffn;
        if !self.leaves_sizes_open() || !model.coupling().kinds().contains(&kind) {
            return Ok(self.tile);
        }
        let (counted, formats) = (self.counted(model), Sizes::formats_of(model)?);
        let shapes = ServedShapes::new([model, &counted], self.stock, self.tile, &formats)?;
        let len = shapes.len(kind)?;
        let all = Size { kind, len, kept: len, step: 1 };
        let near = Near::new(self, model, shapes, vec![all])?;
        for demands in DEMANDS {
            let step = near.step(kind, demands);
            if step < len && near.moved(0, Size { kept: len - step, ..all })? < Sizes::MOST {
                return Ok(step);
            }
        }
        Ok(self.tile)
    }
}

impl<M: CausalLm> ServedShapes<'_, M> {
    /// The sizes that targets ask for; none where something would stay whole of which something is to go, or
    /// where the configuration or the target does not take them, which is said later.
    fn asked(&self, targets: &[AxisTarget]) -> Result<Option<Vec<Size>>, Error> {
        let mut sizes = Vec::new();
        for &AxisTarget { kind, ratio, tile } in targets {
            let len = self.len(kind)?;
            let step = least_common_multiple(self.multiple(kind)?, tile.max(1));
            let kept = ratio.kept(len, step);
            if kept == len && ratio.get() > 0.0 {
                return Ok(None);
            }
            sizes.push(Size { kind, len, kept, step });
        }
        let is_taken = self.counted.check_stock(&self.left(&sizes)?, self.stock).is_ok();
        Ok(is_taken.then_some(sizes))
    }

    /// The formats that load a shape, whatever types its weights get.
    fn loading(&self, sizes: &[Size]) -> Result<Vec<EngineFormat>, Error> {
        let shape = self.shape.sliced(&self.left(sizes)?);
        let formats = self.formats.iter().filter(|format| refusal(format, &shape).is_none());
        Ok(formats.cloned().collect())
    }

    /// A selection that leaves a shape.
    fn left(&self, sizes: &[Size]) -> Result<Selection, Error> {
        self.selection(&self.all_gone(sizes)?)
    }

    /// How many structures go of each axis, in all layers.
    fn all_gone(&self, sizes: &[Size]) -> Result<Gone, Error> {
        self.gone(sizes, &[])
    }
}

impl<'a, M: CausalLm> Near<'a, M> {
    fn new(recipe: &Recipe, model: &M, shapes: ServedShapes<'a, M>, asked: Vec<Size>) -> Result<Self, Error> {
        let map = model.coupling();
        let protected = |size: &Size| {
            let axes = map.of_kind(size.kind)?.into_iter();
            Ok(axes.map(|axis| recipe.protected.of(axis, size.len).len()).max().unwrap_or(0))
        };
        let fewest = asked.iter().map(protected).collect::<Result<Vec<_>, Error>>()?;
        let counted = shapes.counted;
        let budget = recipe.budget(model).map(|budget| (Costs::new(counted, budget.measure), budget.left));
        Ok(Self {
            asked,
            fewest,
            costs: Costs::new(counted, Measure::Parameters),
            whole: Costs::new(model, Measure::Parameters).whole(),
            budget,
            alone: recipe.rounds > 1,
            shapes,
        })
    }

    /// Of what the kept count of a kind has to be a multiple.
    fn step(&self, kind: AxisKind, demands: &[Demand]) -> usize {
        let steps = demands.iter().map(|demand| self.shapes.step_of(kind, *demand));
        steps.fold(1, least_common_multiple)
    }

    /// The share of the parameters that one size moves, where all others are as they were asked for.
    fn moved(&self, index: usize, size: Size) -> Result<f64, Error> {
        let mut sizes = self.asked.clone();
        sizes[index] = size;
        let [asked, moved] = [&self.asked, &sizes].map(|sizes| self.shapes.all_gone(sizes));
        Ok((self.costs.left(&moved?) - self.costs.left(&asked?)).abs() / self.whole)
    }

    /// The shape that moves the least, and less than `most`, of which everybody takes the sizes and the
    /// budget is kept; of two that move as much, the smaller.
    fn nearest(&self, demands: &[Demand], most: f64) -> Result<Option<Moved>, Error> {
        let options = (0..self.asked.len()).map(|index| self.options(index, demands, most));
        let mut shapes = combined(&options.collect::<Result<Vec<_>, Error>>()?);
        shapes.retain(|(moved, _)| *moved < most);
        // Rounded, so that of two that move as much the smaller comes first.
        shapes.sort_by_key(|(moved, sizes)| ((moved * 1e9).round() as u64, sizes.clone()));
        for (moved, sizes) in shapes {
            if self.is_within(&sizes)? && self.shapes.refusal(&sizes, &[])?.is_none() {
                return Ok(Some((moved, sizes)));
            }
        }
        Ok(None)
    }

    /// The sizes of one kind that give the types that are demanded and move less than `most`, with how much
    /// they move.
    fn options(&self, index: usize, demands: &[Demand], most: f64) -> Result<Vec<(f64, Size)>, Error> {
        let asked = self.asked[index];
        if asked.kind == AxisKind::Depth || asked.kept == asked.len {
            return Ok(vec![(0.0, asked)]);
        }
        let step = self.step(asked.kind, demands);
        let below = (1..=asked.kept / step).rev();
        let above = asked.kept / step + 1..asked.len.div_ceil(step);
        let sizes = |steps: usize| Size { kept: steps * step, step, ..asked };
        let mut options = self.until(index, below.map(sizes), most)?;
        options.extend(self.until(index, above.map(sizes), most)?);
        Ok(options)
    }

    /// The sizes before the first that moves as much as `most`, but for those that leave too few.
    fn until(
        &self,
        index: usize,
        sizes: impl Iterator<Item = Size>,
        most: f64,
    ) -> Result<Vec<(f64, Size)>, Error> {
        let multiple = if self.alone { self.shapes.multiple(self.asked[index].kind)? } else { 1 };
        let mut near = Vec::new();
        for size in sizes {
            let moved = self.moved(index, size)?;
            if moved >= most {
                break;
            }
            if size.kept >= self.fewest[index] && size.kept.is_multiple_of(multiple) {
                near.push((moved, size));
            }
        }
        Ok(near)
    }

    fn is_within(&self, sizes: &[Size]) -> Result<bool, Error> {
        let Some((costs, budget)) = &self.budget else { return Ok(true) };
        Ok(costs.left(&self.shapes.all_gone(sizes)?) <= budget * (1.0 + TOLERANCE))
    }

    /// The targets for these sizes; those that there were where nothing becomes another size.
    fn rounded(
        &self,
        targets: Vec<AxisTarget>,
        (moved, sizes): Moved,
    ) -> Result<(Vec<AxisTarget>, Option<SizeRounding>), Error> {
        let others = self.others(&sizes);
        if others.is_empty() {
            return Ok((targets, None));
        }
        let formats = self.shapes.formats.to_vec();
        let exact = |(target, size): (&AxisTarget, &Size)| Ok(AxisTarget { ratio: size.ratio()?, ..*target });
        let targets = targets.iter().zip(&sizes).map(exact).collect::<Result<_, Error>>()?;
        Ok((targets, Some(SizeRounding::Rounded { sizes: others, moved, formats })))
    }

    /// What is to be said where sizes stay as they were asked for: nothing where no matrix is left
    /// unquantized for it.
    fn kept(&self, model: &M) -> Result<Option<SizeRounding>, Error> {
        let formats = self.shapes.formats.to_vec();
        let selection = self.shapes.left(&self.asked)?;
        let Some(loss) = QuantizationLoss::in_formats(model, &selection, &formats) else { return Ok(None) };
        if let Some((moved, sizes)) = self.nearest(&[Demand::Quantized], NAMED)? {
            let sizes = self.others(&sizes);
            return Ok(Some(SizeRounding::TooFar { sizes, moved, formats, loss }));
        }
        let share = |size: &Size| 1.0 - size.kept as f64 / size.len as f64;
        let greatest = self.asked.iter().map(share).fold(0.0, f64::max);
        let possible = self.shapes.possible(Ratio::new(greatest)?)?;
        let text = |Size { kind, len, kept, .. }: &Size| format!("{kind} {kept} of {len}");
        let asked = self.asked.iter().filter(|size| size.kept < size.len).map(text).collect();
        Ok(Some(SizeRounding::NoneNear { asked, possible, formats, loss }))
    }

    /// The sizes that are others than those that were asked for.
    fn others(&self, sizes: &[Size]) -> Vec<RoundedSize> {
        let both = self.asked.iter().zip(sizes).filter(|(asked, size)| asked.kept != size.kept);
        let other = |(asked, size): (&Size, &Size)| RoundedSize {
            kind: asked.kind,
            len: asked.len,
            asked: asked.kept,
            nearest: size.kept,
        };
        both.map(other).collect()
    }
}

/// One size of each kind.
fn combined(options: &[Vec<(f64, Size)>]) -> Vec<Moved> {
    let mut shapes: Vec<Moved> = vec![(0.0, Vec::new())];
    for sizes in options {
        let mut longer = Vec::new();
        for (moved, shape) in &shapes {
            let with = |(more, size): &(f64, Size)| (moved + more, [&shape[..], &[*size]].concat());
            longer.extend(sizes.iter().map(with));
        }
        shapes = longer;
    }
    shapes
}
