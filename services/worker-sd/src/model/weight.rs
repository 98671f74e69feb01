//! A weight: where it lies in a file, and what was made of it to compute with.
//!
//! The file stays mapped. A weight that was changed by LoRAs is made from the file anew, so what is restored
//! is what was loaded, bit for bit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{DType, Device, Tensor};
use parking_lot::RwLock;
use rbee_artifacts::detect::DetectError;

use super::error::LoadError;
use super::file::{Place, Stored};
use crate::kernels::{Isa, Lanes, Numbers, Panels};

/// What computes.
#[derive(Debug, Clone)]
pub(super) enum Backend {
    /// This program's own kernels, on the processor.
    Kernels(Isa),
    /// Candle's, on any device, in this type.
    Candle(Device, DType),
}

impl Backend {
    /// Where tensors lie.
    pub(super) fn device(&self) -> &Device {
        match self {
            Self::Kernels(_) => &Device::Cpu,
            Self::Candle(device, _) => device,
        }
    }

    /// What tensors are made of.
    pub(super) fn dtype(&self) -> DType {
        match self {
            Self::Kernels(_) => DType::F32,
            Self::Candle(_, dtype) => *dtype,
        }
    }
}

/// What a weight is used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One number for each channel.
    Vector,
    /// Rows that are looked up.
    Table,
    /// A matrix or a convolution's kernel: `[outputs, channels, taps in rows]`.
    Matrix(Lanes),
}

/// A weight as it is computed with.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Vector(Arc<Vec<f32>>),
    Table(Arc<Stored>),
    Panels(Arc<Panels>),
    Tensor(Tensor),
}

/// A weight of a model.
#[derive(Debug)]
pub(super) struct Weight {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    form: Form,
    place: Place,
    backend: Backend,
    value: RwLock<Option<Value>>,
    changed: AtomicBool,
}

impl Weight {
    pub(super) fn new(name: String, shape: Vec<usize>, form: Form, place: Place, backend: Backend) -> Self {
        Self {
            name,
            shape,
            form,
            place,
            backend,
            value: RwLock::new(None),
            changed: AtomicBool::new(false),
        }
    }

    /// Bytes in the file: how much of the loading it is.
    pub(super) fn size_bytes(&self) -> u64 {
        self.place.info().size_bytes
    }

    /// Reads it from its file.
    pub(super) fn load(&self) -> Result<(), LoadError> {
        let stored = self.read()?;
        *self.value.write() = Some(self.prepare(stored)?);
        self.changed.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Whether it is another than its file's.
    pub(super) fn is_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// Makes it anew from its file, with `change` made to its numbers, in the order in which they lie there.
    pub(super) fn load_changed(&self, change: impl FnOnce(&mut [f32])) -> Result<(), LoadError> {
        let mut numbers = self.read()?.wide();
        change(&mut numbers);
        self.changed.store(true, Ordering::Relaxed);
        *self.value.write() = Some(self.prepare(Stored::F32(numbers))?);
        Ok(())
    }

    fn read(&self) -> Result<Stored, LoadError> {
        self.place.read().map_err(|source| self.error(source))
    }

    fn error(&self, source: DetectError) -> LoadError {
        LoadError::Model {
            path: self.place.file.name.clone().into(),
            source,
        }
    }

    fn prepare(&self, stored: Stored) -> Result<Value, LoadError> {
        Ok(match (&self.backend, self.form) {
            (_, Form::Table) => Value::Table(Arc::new(stored)),
            (Backend::Kernels(_), Form::Vector) => Value::Vector(Arc::new(stored.wide())),
            (Backend::Kernels(_), Form::Matrix(lanes)) => {
                let numbers = match &stored {
                    Stored::F32(numbers) => Numbers::F32(numbers),
                    Stored::F16(numbers) => Numbers::F16(numbers),
                    Stored::Bf16(numbers) => Numbers::Bf16(numbers),
                };
                let taps = self.shape[2..].iter().product();
                let panels = Panels::pack(numbers, self.shape[0], self.shape[1], taps, lanes);
                Value::Panels(Arc::new(panels))
            }
            (Backend::Candle(device, dtype), _) => {
                let tensor = Tensor::from_vec(stored.wide(), self.shape.as_slice(), &Device::Cpu)?;
                Value::Tensor(tensor.to_dtype(*dtype)?.to_device(device)?)
            }
        })
    }

    pub(super) fn value(&self) -> candle_core::Result<Value> {
        let value = self.value.read();
        value
            .clone()
            .ok_or_else(|| candle_core::Error::Msg(format!("{} has not been loaded", self.name)))
    }

    fn wrong_form<T>(&self) -> candle_core::Result<T> {
        Err(candle_core::Error::Msg(format!(
            "{} is used in another form than it was loaded in",
            self.name
        )))
    }

    pub(super) fn panels(&self) -> candle_core::Result<Arc<Panels>> {
        match self.value()? {
            Value::Panels(panels) => Ok(panels),
            _ => self.wrong_form(),
        }
    }

    pub(super) fn vector(&self) -> candle_core::Result<Arc<Vec<f32>>> {
        match self.value()? {
            Value::Vector(numbers) => Ok(numbers),
            _ => self.wrong_form(),
        }
    }

    pub(super) fn tensor(&self) -> candle_core::Result<Tensor> {
        match self.value()? {
            Value::Tensor(tensor) => Ok(tensor),
            _ => self.wrong_form(),
        }
    }

    /// Appends a row of a table.
    pub(super) fn row(&self, row: usize, numbers: &mut Vec<f32>) -> candle_core::Result<()> {
        let Value::Table(stored) = self.value()? else {
            return self.wrong_form();
        };
        let width = self.shape[1];
        let range = row * width..(row + 1) * width;
        if row >= self.shape[0] {
            return Err(candle_core::Error::Msg(format!("{} has no row {row}", self.name)));
        }
        match &*stored {
            Stored::F32(all) => numbers.extend(&all[range]),
            Stored::F16(all) => numbers.extend(all[range].iter().map(|number| number.to_f32())),
            Stored::Bf16(all) => numbers.extend(all[range].iter().map(|number| number.to_f32())),
        }
        Ok(())
    }
}
