//! How much of each axis goes, so that a budget is met at the least loss: a dynamic programme over the axes.

/// What one axis could keep: its cost in the budget's measure, and the loss that it adds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Choice {
    /// Structures that stay.
    pub kept: usize,
    /// What they cost.
    pub cost: f64,
    /// The loss that their like adds, in nats a token.
    pub loss: f64,
}

/// Steps into which the budget is divided.
const STEPS: usize = 8192;

/// One choice an axis, so that the sum of their losses is the least of all whose costs together are within
/// `budget`; by index, or nothing where even the cheapest are not. Costs are rounded up to a 8192th of the
/// budget.
pub(crate) fn allocate(axes: &[Vec<Choice>], budget: f64) -> Option<Vec<usize>> {
    let least: f64 = axes.iter().filter_map(|choices| cheapest(choices)).sum();
    let spare = budget - least;
    if spare < 0.0 {
        return None;
    }
    // Only what is spent above the cheapest choices is shared out, which leaves the finest steps.
    let unit = spare / STEPS as f64;
    let steps = |choices: &[Choice], choice: &Choice| -> usize {
        let above = choice.cost - cheapest(choices).unwrap_or(0.0);
        if above <= 0.0 {
            0
        } else if unit > 0.0 {
            (above / unit - 1e-9).ceil() as usize
        } else {
            STEPS + 1
        }
    };
    // The least loss that can be had with so many steps, and what the latest axis took for it.
    let mut best = vec![0.0; STEPS + 1];
    let mut taken: Vec<Vec<u32>> = Vec::with_capacity(axes.len());
    for choices in axes {
        let mut next = vec![f64::INFINITY; STEPS + 1];
        let mut took = vec![u32::MAX; STEPS + 1];
        for (index, choice) in choices.iter().enumerate() {
            let cost = steps(choices, choice);
            for spent in cost..=STEPS {
                let loss = best[spent - cost] + choice.loss;
                if loss < next[spent] {
                    (next[spent], took[spent]) = (loss, index as u32);
                }
            }
        }
        best = next;
        taken.push(took);
    }
    let mut left = STEPS;
    let mut chosen = vec![0; axes.len()];
    for (axis, took) in taken.iter().enumerate().rev() {
        let index = took[left] as usize;
        chosen[axis] = index;
        left -= steps(&axes[axis], axes[axis].get(index)?);
    }
    Some(chosen)
}

fn cheapest(choices: &[Choice]) -> Option<f64> {
    choices.iter().map(|choice| choice.cost).reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::{RngSeed, TestRunner};

    fn choice(kept: usize, loss: f64) -> Choice {
        Choice { kept, cost: kept as f64, loss }
    }

    #[test]
    fn what_hurts_less_gives_more() {
        let touchy: Vec<Choice> = (1..=8).map(|kept| choice(kept, (8 - kept) as f64)).collect();
        let dull: Vec<Choice> = (1..=8).map(|kept| choice(kept, 0.1 * (8 - kept) as f64)).collect();
        let chosen = allocate(&[touchy.clone(), dull.clone()], 10.0).unwrap();
        assert_eq!((touchy[chosen[0]].kept, dull[chosen[1]].kept), (8, 2));
        assert_eq!(allocate(&[touchy, dull], 1.5), None, "one of each has to stay");
    }

    /// Draws new cases every time, and says with which seed, which a failed test shows. `DRESS_TEST_SEED`
    /// draws the same again.
    fn runner() -> TestRunner {
        let given = std::env::var("DRESS_TEST_SEED").ok().map(|text| text.parse().expect("a number"));
        let seed = given.unwrap_or_else(rand::random);
        println!("drawn with DRESS_TEST_SEED={seed}");
        TestRunner::new(ProptestConfig {
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(seed),
            ..ProptestConfig::default()
        })
    }

    #[test]
    fn no_other_choice_within_the_budget_is_better() {
        let losses = prop::collection::vec(prop::collection::vec(0.0..1.0f64, 4), 3);
        let check = |(losses, budget): (Vec<Vec<f64>>, f64)| {
            let axes: Vec<Vec<Choice>> = losses
                .iter()
                .map(|of| of.iter().enumerate().map(|(i, &loss)| choice(i + 1, loss)).collect())
                .collect();
            let sum = |chosen: &[usize]| {
                let picked = || axes.iter().zip(chosen).map(|(choices, &i)| choices[i]);
                (picked().map(|c| c.cost).sum::<f64>(), picked().map(|c| c.loss).sum::<f64>())
            };
            let (cost, loss) = sum(&allocate(&axes, budget).unwrap());
            prop_assert!(cost <= budget + 1e-9);
            for combination in 0..64usize {
                let other = sum(&[combination % 4, combination / 4 % 4, combination / 16]);
                // By a step of the budget the rounding of costs may be too careful.
                prop_assert!(other.0 > budget - budget / 512.0 || other.1 >= loss - 1e-9);
            }
            Ok(())
        };
        runner().run(&(losses, 3.0..12.0f64), check).unwrap();
    }
}
