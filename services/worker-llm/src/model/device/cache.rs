//! Keys and values of one sequence on a device.

use candle_core::{DType, Device, Result, Tensor};

/// Positions that a cache grows by.
pub(super) const BLOCK: usize = 256;

/// Keys and values of one layer: `kv_heads × room × head_dim`, of which the first positions are in use.
#[derive(Debug)]
struct LayerCache {
    keys: Tensor,
    values: Tensor,
}

/// What a cache is made for.
#[derive(Debug, Clone)]
pub(super) struct CacheShape {
    pub(super) layers: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    pub(super) dtype: DType,
    pub(super) device: Device,
}

impl CacheShape {
    fn zeros(&self, room: usize) -> Result<Tensor> {
        Tensor::zeros((self.kv_heads, room, self.head_dim), self.dtype, &self.device)
    }

    /// Bytes of a position over all layers.
    pub(super) fn bytes_per_position(&self) -> u64 {
        (2 * self.layers * self.kv_heads * self.head_dim * self.dtype.size_in_bytes()) as u64
    }
}

/// Keys and values of a sequence.
#[derive(Debug)]
pub(super) struct DeviceCache {
    shape: CacheShape,
    layers: Vec<LayerCache>,
    room: usize,
    len: usize,
}

impl DeviceCache {
    pub(super) fn new(shape: &CacheShape) -> Self {
        Self {
            shape: shape.clone(),
            layers: Vec::new(),
            room: 0,
            len: 0,
        }
    }

    /// Positions in it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> u64 {
        self.room as u64 * self.shape.bytes_per_position()
    }

    /// A cache of its own that begins with the first `tokens` of this one.
    pub(super) fn fork(&self, tokens: usize) -> Result<Self> {
        let mut fork = Self::new(&self.shape);
        fork.reserve(tokens)?;
        for (layer, own) in fork.layers.iter().zip(&self.layers) {
            copy(&own.keys, &layer.keys, tokens)?;
            copy(&own.values, &layer.values, tokens)?;
        }
        fork.len = tokens;
        Ok(fork)
    }

    /// Makes room for `more` positions.
    pub(super) fn reserve(&mut self, more: usize) -> Result<()> {
        let wanted = self.len + more;
        if wanted <= self.room {
            return Ok(());
        }
        let room = wanted.next_multiple_of(BLOCK);
        let mut layers = Vec::with_capacity(self.shape.layers);
        for index in 0..self.shape.layers {
            let layer = LayerCache {
                keys: self.shape.zeros(room)?,
                values: self.shape.zeros(room)?,
            };
            if let Some(old) = self.layers.get(index) {
                copy(&old.keys, &layer.keys, self.len)?;
                copy(&old.values, &layer.values, self.len)?;
            }
            layers.push(layer);
        }
        self.layers = layers;
        self.room = room;
        Ok(())
    }

    /// Writes keys and values, each `count × kv_heads × head_dim`, behind what is there, for which there is room. They
    /// count after [`Self::advance`], when every layer has them.
    pub(super) fn write(&self, layer: usize, keys: &Tensor, values: &Tensor) -> Result<()> {
        let own = &self.layers[layer];
        for (new, all) in [(keys, &own.keys), (values, &own.values)] {
            let new = new.transpose(0, 1)?.to_dtype(self.shape.dtype)?.contiguous()?;
            all.slice_set(&new, 1, self.len)?;
        }
        Ok(())
    }

    pub(super) fn advance(&mut self, count: usize) {
        self.len += count;
    }

    /// Keys and values of some positions, `kv_heads × count × head_dim`.
    pub(super) fn read(&self, layer: usize, first: usize, count: usize) -> Result<(Tensor, Tensor)> {
        let own = &self.layers[layer];
        Ok((
            own.keys.narrow(1, first, count)?,
            own.values.narrow(1, first, count)?,
        ))
    }
}

fn copy(from: &Tensor, to: &Tensor, positions: usize) -> Result<()> {
    if positions == 0 {
        return Ok(());
    }
    to.slice_set(&from.narrow(1, 0, positions)?.contiguous()?, 1, 0)
}
