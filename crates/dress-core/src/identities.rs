//! The identities that the code rests on, E1 to E6.
//!
//! `d` is the length of an axis, `d'` the number of structures that stay, and `S` the set of those that go.
//! The tests of `dress-prune` hold E1 to E5 for random models of every family, and those of `dress-models`
//! hold E6 for the rotary embedding.
//!
//! # E1
//!
//! **Permutation.** *Reordering the structures of an axis in all its slots leaves the logits unchanged.*
//! Every product sums over the axis or is indexed by it, and a sum does not depend on the order of its terms.
//! The selected structures can therefore be moved to the end of every axis, where a penalty is a view of each
//! matrix.
//!
//! # E2
//!
//! **Slicing under RMSNorm.** *Where the channels `S` of the residual stream are zero, slicing them out
//! leaves the logits unchanged if each norm's gain is multiplied by `sqrt(d / d')` and its epsilon by `d /
//! d'`.* The sum of squares is the same over `d` and over `d'` channels, so mean square plus epsilon grows by
//! `d / d'`, the norm divides by the root of that, and the new gain multiplies by it again.
//!
//! # E3
//!
//! **Layer norms.** *Taking the mean over the channels out of every parameter that writes the residual stream
//! leaves the logits unchanged, and the residual stream then has mean zero.* A layer norm subtracts that mean
//! anyway. With mean zero a layer norm is an RMSNorm with a bias. Where the channels `S` are zero, those that
//! stay have mean zero too, and E2 holds for an ordinary layer norm.
//!
//! # E4
//!
//! **Rotation.** *With the norms' gains folded into the matrices that read the residual stream, one
//! orthogonal matrix folded into all readers and writers leaves the logits unchanged.* An orthogonal matrix
//! keeps the sum of squares, so the norms do not notice it, and each reader undoes what the writers did.
//! Under layer norms the rotation has to keep the mean at zero.
//!
//! # E5
//!
//! **Zero before slicing.** *Where the selected structures write nothing, slicing changes nothing.* Proximal
//! steps make weights exactly zero, and a closed gate multiplies by zero. Both together with E2 and E3 make
//! the sliced model equal to the regularized one, up to rounding. Where a norm is over the axis, as over the
//! queries and keys of all heads in OLMo 2, what writes the structures has to be zero: zeros in what reads
//! them alone leave them to the norm. A whole layer writes nothing where every parameter of it that writes
//! the residual stream is zero. It then adds zero to the stream, unless a norm of it is on the stream itself,
//! which changes the stream whatever the layer writes. A gain that is filed as one less than what it
//! multiplies by (Gemma's) counts as zero where it is -1.
//!
//! # E6
//!
//! **Limits of rotary embedding.** *Inside a head, dimensions of queries and keys can only go in the pairs
//! that rotary embedding turns together, the same pairs in all heads of a group. Whole head groups can always
//! go.* Of two dimensions that are turned into each other, one that is zero before is not zero behind, so it
//! cannot go alone. Where both are zero they stay zero, and a score of attention is a sum over pairs. All
//! query heads of a group are multiplied with the same keys, which have a pair for all of them or for none.
//! Each group is turned by positions alone and adds its own share to what the attention writes, so one group
//! does not need another.

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_of_concepts_states_the_same() {
        let words = |text: &str| text.replace("//!", " ").split_whitespace().collect::<Vec<_>>().join(" ");
        let here = words(include_str!("identities.rs"));
        let (_, page) = include_str!("../../../docs/concepts.md").split_once("## Identities").unwrap();
        let stated: Vec<&str> = page.split("**E").skip(1).collect();
        assert_eq!(stated.len(), 6);
        for identity in stated {
            let (_, statement) = identity.split_once(".** ").unwrap();
            assert!(here.contains(&words(statement)), "{statement}");
        }
    }
}
