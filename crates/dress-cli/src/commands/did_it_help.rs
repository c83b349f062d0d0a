//! Whether a fine-tuning helped.

use Ordering::{Equal, Greater, Less};
use dress::Divergences;
use dress_eval::PairedDifference;
use std::cmp::Ordering;

/// Whether training helped, as far as the blocks of a text can tell: by the loss there, and where there is a
/// dense model that was learnt from, by how far the predictions are from its. The two need not agree.
pub(super) fn did_it_help(loss: &PairedDifference, from_dense: Option<&Divergences>) -> String {
    let (loss, distance) = (change(loss), from_dense.map(|found| change(&found.difference)));
    let (verdict, remedy) = match (loss, distance) {
        (Less, Some(Greater)) => (
            "training helped on this kind of text alone: the loss is lower",
            "; --validate TEXT says what it did to another kind",
        ),
        (Less, _) => ("training helped: the loss is lower by more than twice its error", ""),
        (Greater, _) => (
            "training did not help: the loss is higher",
            "; try a lower --learning-rate, or more --samples of a text like the one that counts",
        ),
        (Equal, _) => (
            "training made no difference to the loss that these blocks could tell",
            "; --validate TEXT measures more",
        ),
    };
    let distance = from_dense.map_or(String::new(), |found| distance_text(found, loss));
    format!("{verdict}{distance}{remedy}")
}

/// How far the predictions are from the dense model's, beside what became of the loss.
fn distance_text(found: &Divergences, loss: Ordering) -> String {
    let distance = change(&found.difference);
    let and = if distance == loss { "and" } else { "but" };
    let how = match distance {
        Less => "nearer to the dense model's than before",
        Greater => "further from the dense model's than before",
        Equal => "about as far from the dense model's as before",
    };
    format!(", {and} the predictions are {how} (KL {:.4} -> {:.4} nats)", found.before, found.after)
}

/// Whether a number fell or rose by more than twice its error.
fn change(difference: &PairedDifference) -> Ordering {
    match difference.is_clear() {
        true => difference.difference.total_cmp(&0.0),
        false => Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(difference: f64) -> PairedDifference {
        PairedDifference { difference, standard_error: Some(0.01), pairs: 4 }
    }

    fn said(loss: f64, divergence: f64) -> String {
        let divergences = Divergences { before: 0.05, after: 0.05 + divergence, difference: by(divergence) };
        did_it_help(&by(loss), Some(&divergences))
    }

    #[test]
    fn a_lower_loss_further_from_the_dense_model_is_said_to_be_both() {
        assert_eq!(
            said(-0.2, 0.03),
            "training helped on this kind of text alone: the loss is lower, but the predictions are further from the dense \
             model's than before (KL 0.0500 -> 0.0800 nats); --validate TEXT says what it did to another kind"
        );
        let nearer = said(-0.2, -0.03);
        assert!(nearer.starts_with("training helped: the loss is lower"), "{nearer}");
        assert!(nearer.ends_with(
            "and the predictions are nearer to the dense model's than before (KL 0.0500 -> 0.0200 nats)"
        ));
        assert!(said(-0.2, 0.001).contains("but the predictions are about as far"));
        assert!(
            said(0.2, 0.03)
                .starts_with("training did not help: the loss is higher, and the predictions are further")
        );
        assert!(said(0.001, -0.03).starts_with("training made no difference to the loss"));
    }

    #[test]
    fn without_a_dense_model_the_loss_alone_is_said() {
        let helped = "training helped: the loss is lower by more than twice its error";
        assert_eq!(did_it_help(&by(-0.2), None), helped);
        assert!(did_it_help(&by(0.015), None).contains("made no difference"));
    }
}
