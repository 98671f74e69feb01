//! The second half of a layer: one gated unit for every token, or the experts that it is given.

use super::{Buffers, Decoder, ROWS_PER_TASK};
use crate::kernels::{self, Product};
use crate::model::spec::{Activation, ExpertSpec};
use crate::model::weights::{FeedForward, GatedUnit, LayerWeights};

/// Intermediate results of a gated unit.
#[derive(Debug, Default)]
pub(super) struct Gates {
    gate: Vec<f32>,
    up: Vec<f32>,
}

/// Intermediate results of a mixture of experts.
#[derive(Debug, Default)]
pub(super) struct Routed {
    /// `[row][expert]`
    scores: Vec<f32>,
    /// The rows that one expert sees, and what it makes of them.
    rows: Vec<f32>,
    results: Vec<f32>,
}

/// A row that an expert is to see, and how much its result counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::model) struct Share {
    pub(in crate::model) row: usize,
    pub(in crate::model) weight: f32,
}

impl Decoder {
    pub(super) fn feed_forward(&self, weights: &LayerWeights, buffers: &mut Buffers) {
        let Buffers {
            stream,
            normed,
            gates,
            output,
            routed,
            ..
        } = buffers;
        self.normalise(stream, &weights.feed_forward_norm, normed);
        match &weights.feed_forward {
            FeedForward::Dense(unit) => self.gated(unit, normed, gates, output),
            FeedForward::Experts {
                router,
                experts,
                spec,
            } => {
                self.project(normed, router, &mut routed.scores);
                let shares = shares(&routed.scores, *spec);
                output.clear();
                output.resize(normed.len(), 0.0);
                for (expert, shares) in experts.iter().zip(&shares) {
                    self.expert(expert, shares, normed, gates, routed, output);
                }
            }
        }
        self.add_to_stream(output, weights.post_feed_forward_norm.as_deref(), normed, stream);
    }

    /// Adds what one expert makes of its rows to the output.
    fn expert(
        &self,
        unit: &GatedUnit,
        shares: &[Share],
        normed: &[f32],
        gates: &mut Gates,
        routed: &mut Routed,
        output: &mut [f32],
    ) {
        if shares.is_empty() {
            return;
        }
        let width = self.spec.width;
        routed.rows.clear();
        for share in shares {
            let row = &normed[share.row * width..][..width];
            routed.rows.extend_from_slice(row);
        }
        self.gated(unit, &routed.rows, gates, &mut routed.results);
        for (share, result) in shares.iter().zip(routed.results.chunks_exact(width)) {
            let row = &mut output[share.row * width..][..width];
            kernels::add_scaled(self.isa(), row, result, share.weight);
        }
    }

    fn gated(&self, unit: &GatedUnit, rows: &[f32], gates: &mut Gates, output: &mut Vec<f32>) {
        let Gates { gate, up } = gates;
        let count = rows.len() / self.spec.width;
        gate.resize(count * self.spec.inner_width, 0.0);
        up.resize(count * self.spec.inner_width, 0.0);
        let input = self.compute.input(rows, self.spec.width);
        let products = [
            Product {
                matrix: &unit.gate,
                out: gate,
            },
            Product {
                matrix: &unit.up,
                out: up,
            },
        ];
        self.compute.multiply(&input, products);
        let piece = self.spec.inner_width.min(1024) * ROWS_PER_TASK;
        self.compute.parts(gate, piece, |index, gate| {
            let up = &up[index * piece..][..gate.len()];
            match self.spec.activation {
                Activation::Silu => kernels::silu_gate(self.isa(), gate, up),
                Activation::Gelu => kernels::gelu_gate(self.isa(), gate, up),
            }
        });
        self.project(gate, &unit.down, output);
    }
}

/// For each expert the rows that it sees: those where its score is among the best. A row's shares are
/// the softmax of its scores (Shazeer et al. 2017).
pub(in crate::model) fn shares(scores: &[f32], spec: ExpertSpec) -> Vec<Vec<Share>> {
    let mut shares = vec![Vec::new(); spec.count];
    let mut order: Vec<usize> = Vec::new();
    for (row, scores) in scores.chunks_exact(spec.count).enumerate() {
        order.clear();
        order.extend(0..spec.count);
        // Of equal scores the first expert's counts as the better, so that the choice is the same always.
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        let best = scores[order[0]];
        let weight = |expert: usize| f64::from(scores[expert] - best).exp();
        let summed = if spec.shares_sum_to_one {
            spec.used
        } else {
            spec.count
        };
        let sum: f64 = order[..summed].iter().copied().map(weight).sum();
        for &expert in &order[..spec.used] {
            shares[expert].push(Share {
                row,
                weight: (weight(expert) / sum) as f32,
            });
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_experts_share_a_row_by_softmax() {
        let spec = ExpertSpec {
            count: 3,
            used: 2,
            shares_sum_to_one: true,
        };
        let found = shares(&[0.0, 2.0, 1.0, 5.0, 5.0, 5.0], spec);
        let first = 1.0 / (1.0 + (-1.0f32).exp());
        let share = |row, weight| Share { row, weight };
        assert_eq!(found[0], [share(1, 0.5)]);
        assert_eq!(found[1], [share(0, first), share(1, 0.5)]);
        assert_eq!(found[2].len(), 1);
        assert!((found[2][0].weight - (1.0 - first)).abs() < 1e-6);

        let all = ExpertSpec {
            shares_sum_to_one: false,
            ..spec
        };
        let sum: f32 = shares(&[0.0, 2.0, 1.0], all)
            .iter()
            .flatten()
            .map(|share| share.weight)
            .sum();
        assert!(sum < 0.95, "{sum}");
    }
}
