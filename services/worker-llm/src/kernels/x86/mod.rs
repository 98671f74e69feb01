//! Kernels for x86-64. Everything here has a plain version with the same result elsewhere, which
//! the tests compare with.

pub(super) mod avx2;
pub(super) mod avx512;
pub(super) mod rows;
pub(super) mod sixteen;
