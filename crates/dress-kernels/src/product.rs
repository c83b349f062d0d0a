//! Matrix products over strided slices: the only place here that hands out pointers.
//!
//! Burn's `flex` multiplies with the same crate, but always into a fresh tensor; adding to a result, and
//! views of one head inside a row of all heads, are what its interface cannot say.

#![allow(unsafe_code)]

use gemm::Parallelism;

/// A matrix inside a slice.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub data: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows of `columns` numbers, `row_stride` apart.
    pub fn new(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        let matrix = Self { data, rows, columns, row_stride, column_stride: 1 };
        assert!(matrix.extent() <= data.len(), "a matrix reaches beyond its slice");
        matrix
    }

    /// The same numbers, rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    fn extent(&self) -> usize {
        match (self.rows, self.columns) {
            (0, _) | (_, 0) => 0,
            (rows, columns) => (rows - 1) * self.row_stride + (columns - 1) * self.column_stride + 1,
        }
    }
}

/// Whether a product runs on every core or on the caller's alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    One,
    All,
}

/// `out = left * right`, or with `add` `out += left * right`. `out` has rows of `right.columns` numbers,
/// one after the other.
pub(crate) fn product(out: &mut [f32], left: Matrix<'_>, right: Matrix<'_>, add: bool, cores: Cores) {
    let (m, n, k) = (left.rows, right.columns, left.columns);
    assert_eq!(k, right.rows, "a product of matrices that do not fit");
    assert!(m * n <= out.len(), "a product reaches beyond its result");
    assert!(left.extent() <= left.data.len() && right.extent() <= right.data.len());
    let parallelism = if cores == Cores::All { Parallelism::Rayon(0) } else { Parallelism::None };
    // SAFETY: the assertions above keep every address that follows from sizes and strides inside the three
    // slices, and `out` is borrowed mutably, so it overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            add,
            left.data.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_views_add_up() {
        let left = [1.0, 2.0, 9.0, 3.0, 4.0, 9.0];
        let right = [1.0, 0.0, 2.0, 1.0];
        let left = Matrix::new(&left, 2, 2, 3);
        let right = Matrix::new(&right, 2, 2, 2);
        let mut out = [0.5; 4];
        product(&mut out, left, right, false, Cores::One);
        assert_eq!(out, [5.0, 2.0, 11.0, 4.0]);
        product(&mut out, left.transposed(), right, true, Cores::One);
        assert_eq!(out, [12.0, 5.0, 21.0, 8.0]);
    }

    #[test]
    #[should_panic(expected = "beyond its slice")]
    fn a_view_beyond_its_slice_is_refused() {
        let _ = Matrix::new(&[0.0; 5], 2, 3, 3);
    }
}
