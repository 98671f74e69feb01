//! What the machine can do at best: reading memory, and multiplying.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use serde::Serialize;

/// Of so many threads together.
#[derive(Debug, Serialize)]
pub(crate) struct Peaks {
    pub(crate) read_bytes_per_second: f64,
    /// Products of 8-bit numbers, each with its sum; absent where the processor has no VNNI.
    pub(crate) int8_products_per_second: Option<f64>,
}

/// Larger than caches are.
const BUFFER_BYTES: usize = 512 << 20;
const RUNS: usize = 5;

/// Measures both, the best of a few runs.
pub(crate) fn measure(threads: usize) -> Peaks {
    Peaks {
        read_bytes_per_second: reading(threads),
        int8_products_per_second: multiplying(threads),
    }
}

fn reading(threads: usize) -> f64 {
    let buffer = vec![1u64; BUFFER_BYTES / 8];
    best(|| {
        let began = Instant::now();
        thread::scope(|scope| {
            for part in buffer.chunks(buffer.len().div_ceil(threads)) {
                scope.spawn(move || {
                    let mut sums = [0u64; 32];
                    for numbers in part.as_chunks::<32>().0 {
                        for (sum, number) in sums.iter_mut().zip(numbers) {
                            *sum ^= number;
                        }
                    }
                    black_box(sums);
                });
            }
        });
        BUFFER_BYTES as f64 / began.elapsed().as_secs_f64()
    })
}

fn best(run: impl Fn() -> f64) -> f64 {
    (0..RUNS).map(|_| run()).fold(0.0, f64::max)
}

#[cfg(target_arch = "x86_64")]
fn multiplying(threads: usize) -> Option<f64> {
    use std::arch::x86_64::*;

    /// Products that do not wait for each other.
    const CHAINS: usize = 12;
    const STEPS: usize = 8 << 20;

    #[target_feature(enable = "avx512f,avx512vnni")]
    fn products() {
        let codes = black_box(_mm512_set1_epi8(3));
        let mut sums = [_mm512_setzero_si512(); CHAINS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, codes, codes);
            }
        }
        black_box(sums);
    }

    if !(is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")) {
        return None;
    }
    Some(best(|| {
        let began = Instant::now();
        thread::scope(|scope| {
            for _ in 0..threads {
                // SAFETY: the processor has the instructions.
                scope.spawn(|| unsafe { products() });
            }
        });
        (threads * STEPS * CHAINS * 64) as f64 / began.elapsed().as_secs_f64()
    }))
}

#[cfg(not(target_arch = "x86_64"))]
fn multiplying(_threads: usize) -> Option<f64> {
    None
}
