//! The window's icon: a cell of a comb, blue on the left as text is and purple on the right as pictures are.

/// Blue and purple of the light theme's tokens.
const LEFT: [f32; 3] = [37.0, 99.0, 217.0];
const RIGHT: [f32; 3] = [122.0, 63.0, 224.0];

/// Samples along each edge of a pixel, for edges that are not stairs.
const FINE: u32 = 4;

/// The icon's pixels: red, green, blue, alpha; `edge` × `edge` of them.
#[must_use]
pub fn icon(edge: u32) -> Vec<u8> {
    let mut pixels = Vec::with_capacity((edge * edge * 4) as usize);
    for y in 0..edge {
        for x in 0..edge {
            pixels.extend(pixel(x, y, edge));
        }
    }
    pixels
}

fn pixel(x: u32, y: u32, edge: u32) -> [u8; 4] {
    let mut sum = [0.0_f32; 4];
    for sample in 0..FINE * FINE {
        let place = |pixel: u32, part: u32| {
            let fine = (pixel * FINE + part) as f32 + 0.5;
            2.0 * fine / (edge * FINE) as f32 - 1.0
        };
        let (u, v) = (place(x, sample % FINE), place(y, sample / FINE));
        // A line of the background between both halves.
        if !is_in_cell(u, v) || u.abs() < 0.06 {
            continue;
        }
        let colour = if u < 0.0 { LEFT } else { RIGHT };
        for (total, part) in sum.iter_mut().zip(colour) {
            *total += part;
        }
        sum[3] += 1.0;
    }
    let count = sum[3].max(1.0);
    let all = (FINE * FINE) as f32;
    [
        (sum[0] / count) as u8,
        (sum[1] / count) as u8,
        (sum[2] / count) as u8,
        (255.0 * sum[3] / all) as u8,
    ]
}

/// Whether a point from -1 to 1 lies in a hexagon that stands on a corner.
fn is_in_cell(u: f32, v: f32) -> bool {
    const RADIUS: f32 = 0.96;
    let (u, v) = (u.abs(), v.abs());
    let half_width = RADIUS * 3.0_f32.sqrt() / 2.0;
    u <= half_width && v <= RADIUS - u / 3.0_f32.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_have_their_half_and_the_corners_are_clear() {
        let pixels = icon(32);
        let at = |x: usize, y: usize| &pixels[(y * 32 + x) * 4..][..4];
        assert_eq!(pixels.len(), 32 * 32 * 4);
        assert_eq!(at(8, 16), [37, 99, 217, 255]);
        assert_eq!(at(24, 16), [122, 63, 224, 255]);
        for corner in [(0, 0), (31, 0), (0, 31), (31, 31)] {
            assert_eq!(at(corner.0, corner.1)[3], 0);
        }
    }
}
