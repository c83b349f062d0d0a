//! Merges as SentencePiece has them: a score for each piece, and two neighbours become a piece wherever both
//! are there.

use std::collections::{HashMap, HashSet};

/// The score of every piece that merges make, by which llama.cpp merges as they say: the earlier, the higher.
/// Of each piece it is said whether it is a normal one, and not one that a text is looked through for.
///
/// # Errors
/// Where no scores do, since the merges say more than which pieces come first.
pub(super) fn merge_scores(
    pieces: &[(&str, bool)],
    merges: &[(&str, &str)],
) -> Result<HashMap<String, f32>, String> {
    let (mut scores, mut last): (HashMap<String, f32>, String) = (HashMap::new(), String::new());
    for (left, right) in merges {
        let piece = [*left, *right].concat();
        if piece == last {
            continue;
        }
        let score = -(scores.len() as f32 + 1.0);
        if scores.insert(piece.clone(), score).is_some() {
            return Err(format!("the piece {piece:?} is merged at two places of the order"));
        }
        last = piece;
    }
    check_complete(pieces, merges, &scores)?;
    Ok(scores)
}

/// Checks that two pieces that make a third are always merged, since scores allow them to be.
fn check_complete(
    pieces: &[(&str, bool)],
    merges: &[(&str, &str)],
    scores: &HashMap<String, f32>,
) -> Result<(), String> {
    let known: HashSet<&str> = pieces.iter().map(|(piece, _)| *piece).collect();
    let listed: HashSet<(&str, &str)> = merges.iter().copied().collect();
    for (piece, _) in pieces.iter().filter(|(_, normal)| *normal) {
        let splits = piece.char_indices().skip(1).map(|(at, _)| piece.split_at(at));
        let mut splits = splits.filter(|(left, right)| known.contains(left) && known.contains(right));
        if let Some((left, right)) = splits.find(|split| !listed.contains(split)) {
            return Err(format!("{left:?} and {right:?} are not merged, and {piece:?} is a piece"));
        }
    }
    match scores.keys().find(|piece| !known.contains(piece.as_str())) {
        Some(piece) => Err(format!("the merges make {piece:?}, which is no piece")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: [(&str, bool); 6] =
        [("a", true), ("b", true), ("ab", true), ("aba", true), ("ba", true), ("abab", false)];

    #[test]
    fn pieces_score_by_the_order_of_their_merges() {
        let merges = [("a", "b"), ("b", "a"), ("a", "ba"), ("ab", "a")];
        let scores = merge_scores(&PIECES, &merges).unwrap();
        assert_eq!(["ab", "ba", "aba"].map(|piece| scores[piece]), [-1.0, -2.0, -3.0]);
    }

    #[test]
    fn merges_that_no_scores_say_are_refused() {
        for (merges, says) in [
            (&[("a", "b"), ("ab", "a"), ("b", "a"), ("a", "ba")][..], "two places"),
            (&[("a", "b"), ("b", "a"), ("ab", "a")], "are not merged"),
            (&[("a", "b"), ("b", "a"), ("a", "ba"), ("ab", "a"), ("b", "b")], "no piece"),
        ] {
            let message = merge_scores(&PIECES, merges).unwrap_err();
            assert!(message.contains(says), "{message}");
        }
    }
}
