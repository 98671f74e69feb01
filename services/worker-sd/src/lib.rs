//! Image generation: one worker, one model, one device.
