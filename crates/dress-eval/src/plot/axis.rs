//! Where numbers lie along an axis, and which of them stand beside it.

/// How an axis is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Equal steps have equal lengths.
    #[default]
    Linear,
    /// Equal factors have equal lengths.
    Log,
}

/// Points that it takes for one to be called an outlier.
const ENOUGH: usize = 8;

/// A range of numbers on a scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Scale {
    /// The number as a length; none where it has none.
    pub(crate) fn length(self, value: f64) -> Option<f64> {
        let length = match self {
            Scale::Linear => value,
            Scale::Log => value.log10(),
        };
        length.is_finite().then_some(length)
    }

    fn value(self, length: f64) -> f64 {
        match self {
            Scale::Linear => length,
            Scale::Log => 10f64.powf(length),
        }
    }
}

impl Axis {
    /// From the least to the greatest of `values`, with some room. None where there is no number.
    pub fn over(values: impl Iterator<Item = f64>, scale: Scale, room: f64) -> Option<Self> {
        let mut lengths: Vec<f64> = values.filter_map(|value| scale.length(value)).collect();
        lengths.sort_by(f64::total_cmp);
        let (low, high) = (*lengths.first()?, *lengths.last()?);
        Some(Self::between(low, high, scale, room))
    }

    /// The same, where a few values that are far above all others are left out.
    pub fn over_most(values: impl Iterator<Item = f64>, scale: Scale, room: f64) -> Option<Self> {
        let mut lengths: Vec<f64> = values.filter_map(|value| scale.length(value)).collect();
        lengths.sort_by(f64::total_cmp);
        let (low, mut high) = (*lengths.first()?, *lengths.last()?);
        if lengths.len() >= ENOUGH {
            let quartile = |quarters: usize| lengths[(lengths.len() - 1) * quarters / 4];
            let spread = quartile(3) - quartile(1);
            // Tukey's outer fence. What many points lie beyond is a part of the curve, and so is what leaves little room.
            let fence = quartile(3) + 3.0 * spread;
            let within = lengths.partition_point(|length| *length <= fence);
            let few = (lengths.len() - within) * 20 <= lengths.len();
            if few && spread > 0.0 && high - low > 3.0 * (lengths[within - 1] - low) {
                high = lengths[within - 1];
            }
        }
        Some(Self::between(low, high, scale, room))
    }

    fn between(low: f64, high: f64, scale: Scale, room: f64) -> Self {
        let room = if high > low { (high - low) * room } else { (high.abs() * 0.1).max(1e-9) };
        // A quantity that starts at zero is not shown below it.
        let below = if scale == Scale::Linear && low >= 0.0 { (low - room).max(0.0) } else { low - room };
        Self { scale, low: below, high: high + room }
    }

    /// Where a value lies, from 0 to 1; none where it has no place.
    pub fn share(&self, value: f64) -> Option<f64> {
        let share = (self.scale.length(value)? - self.low) / (self.high - self.low);
        Some(share.clamp(0.0, 1.0))
    }

    /// Whether a value lies above what is shown.
    pub fn is_above(&self, value: f64) -> bool {
        self.scale.length(value).is_some_and(|length| length > self.high)
    }

    /// Round numbers within the range, about `count` of them.
    pub fn ticks(&self, count: usize) -> Vec<f64> {
        match self.scale {
            Scale::Linear => linear_ticks(self.low, self.high, count),
            Scale::Log => {
                let [low, high] = [self.low, self.high].map(|length| self.scale.value(length));
                let found = log_ticks(self.low, self.high);
                if found.len() < 3 { linear_ticks(low, high, count) } else { found }
            }
        }
    }
}

/// Multiples of 1, 2, 2.5 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let rough = (high - low) / count.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|s| s * power).find(|step| *step >= rough);
    let step = step.unwrap_or(power * 10.0);
    // Rounding must not lose a tick at either end.
    let slack = 1e-9 * step;
    let first = ((low - slack) / step).ceil() as i64;
    (first..).map(|i| i as f64 * step).take_while(|tick| *tick <= high + slack).take(12).collect()
}

/// 1, 2 and 5 times powers of ten; over many powers those alone.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let powers = low.floor() as i32..=high.ceil() as i32;
    let steps: &[f64] = if high - low > 3.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
    all.filter(|tick| (low..=high).contains(&tick.log10())).take(12).collect()
}

/// A number as it stands beside an axis: as short as it is round.
pub(crate) fn tick_text(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".into();
    }
    if !(1e-4..1e6).contains(&size) {
        let text = format!("{value:.1e}");
        return text.replace(".0e", "e");
    }
    if size >= 1000.0 {
        let grouped = crate::report::grouped(size.round() as u64);
        return if value < 0.0 { format!("-{grouped}") } else { grouped };
    }
    let digits = (2.0 - size.log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: Axis) -> Vec<String> {
        axis.ticks(5).into_iter().map(tick_text).collect()
    }

    #[test]
    fn ticks_are_round_on_either_scale() {
        let axis = |values: [f64; 2], scale| Axis::over(values.into_iter(), scale, 0.0).unwrap();
        assert_eq!(texts(axis([18.0, 210.0], Scale::Log)), ["20", "50", "100", "200"]);
        assert_eq!(texts(axis([19.3, 41.2], Scale::Linear)), ["20", "25", "30", "35", "40"]);
        assert_eq!(texts(axis([0.0, 0.4], Scale::Linear)), ["0", "0.1", "0.2", "0.3", "0.4"]);
        let wide = texts(axis([10.0, 2e6], Scale::Log));
        assert_eq!(wide, ["10", "100", "1,000", "10,000", "100,000", "1e6"]);
        // Less than a power of ten has too few of them.
        assert_eq!(texts(axis([20.0, 24.0], Scale::Log)), ["20", "21", "22", "23", "24"]);
    }

    #[test]
    fn numbers_are_as_short_as_they_are_round() {
        let cases = [(65_536.0, "65,536"), (-2.5, "-2.5"), (0.05, "0.05"), (2.5e7, "2.5e7"), (1e-6, "1e-6")];
        for (value, expected) in cases {
            assert_eq!(tick_text(value), expected);
        }
    }

    #[test]
    fn a_single_value_lies_in_the_middle_and_what_is_no_number_nowhere() {
        let axis = Axis::over([3.0].into_iter(), Scale::Linear, 0.06).unwrap();
        assert!((axis.share(3.0).unwrap() - 0.5).abs() < 1e-9);
        assert_eq!((axis.share(f64::NAN), axis.share(1e9)), (None, Some(1.0)));
        assert!(Axis::over([-1.0].into_iter(), Scale::Log, 0.06).is_none());
    }
}
