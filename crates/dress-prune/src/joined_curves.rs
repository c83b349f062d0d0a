//! The curves of several runs as one.

use dress_train::CurvePoint;

/// Puts one run's curve behind another's.
pub(crate) fn append(curve: &mut Vec<CurvePoint>, next: &[CurvePoint]) {
    let last = curve.last();
    let (steps, tokens, seconds) =
        last.map_or((0, 0, 0.0), |point| (point.step + 1, point.tokens, point.seconds));
    curve.extend(next.iter().map(|point| CurvePoint {
        step: point.step + steps,
        tokens: point.tokens + tokens,
        seconds: point.seconds + seconds,
        ..*point
    }));
}
