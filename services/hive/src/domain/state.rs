//! Where a worker is in its life.

/// Where a worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum State {
    /// It is wanted and waits: for its turn, or for the next attempt.
    Pending,
    /// What it needs is being checked.
    Validating,
    /// Files that this host lacks are being fetched.
    Fetching {
        /// Bytes that are here.
        done_bytes: u64,
        /// Bytes of all files.
        total_bytes: u64,
    },
    /// The process is being started.
    Starting,
    /// The process runs and loads the model.
    Loading {
        /// Share that is loaded, 0 to 1, as far as the worker said.
        fraction: Option<f32>,
    },
    /// It answers requests; none is being answered.
    Ready,
    /// It answers requests; at least one is being answered.
    Busy,
    /// It takes no more requests; those that run may finish.
    Draining,
    /// The process was told to leave.
    Stopping,
    /// It left for good because it was asked to.
    Stopped,
    /// It can't run.
    Failed,
    /// It crashed too often in a row.
    CrashLooping,
}

impl State {
    /// The state's name, in lower case.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Validating => "validating",
            Self::Fetching { .. } => "fetching",
            Self::Starting => "starting",
            Self::Loading { .. } => "loading",
            Self::Ready => "ready",
            Self::Busy => "busy",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::CrashLooping => "crash-looping",
        }
    }

    /// Whether new requests are answered.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        matches!(self, Self::Ready | Self::Busy)
    }

    /// Whether a process may run in this state.
    #[must_use]
    pub fn has_process(&self) -> bool {
        matches!(
            self,
            Self::Starting
                | Self::Loading { .. }
                | Self::Ready
                | Self::Busy
                | Self::Draining
                | Self::Stopping
        )
    }

    /// Whether it rests until somebody restarts or stops it.
    #[must_use]
    pub fn rests(&self) -> bool {
        matches!(self, Self::Failed | Self::CrashLooping)
    }

    /// Whether both are the same state, whatever the progress within it.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}
