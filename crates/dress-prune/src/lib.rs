//! Selection, permutation and slicing: from scores to a smaller dense model
