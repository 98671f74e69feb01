use super::FailureCause::{
    Bug, DeviceError, Hung, IllegalInstruction, InvalidMemoryAccess, Killed, MissingFile, OutOfDeviceMemory,
    OutOfMemory,
};
use super::*;

fn told_by(exit: Exit, log: &str, oom_kills: Option<u64>) -> Option<FailureCause> {
    let tail: Vec<_> = log.lines().map(str::to_owned).collect();
    cause(exit, &tail, oom_kills)
}

const CUDA_FULL: &str = r#"Error: DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")"#;
const FILE_MISSING: &str = "Error: cannot open model/tokenizer.json: No such file or directory (os error 2)";

#[test]
fn what_the_kernel_says_is_certain() {
    for (exit, log, oom_kills, expected) in [
        (Exit::Signal(9), "", Some(1), Some(OutOfMemory)),
        (Exit::Signal(9), CUDA_FULL, Some(1), Some(OutOfMemory)),
        (Exit::Signal(9), "", Some(0), Some(Killed)),
        (Exit::Signal(9), "", None, Some(Killed)),
        (Exit::Signal(9), FILE_MISSING, None, Some(Killed)),
        (Exit::Signal(15), "", None, Some(Killed)),
        (Exit::Signal(2), "", None, Some(Killed)),
        (Exit::Signal(4), "", None, Some(IllegalInstruction)),
        (Exit::Signal(4), FILE_MISSING, None, Some(IllegalInstruction)),
        (Exit::Signal(11), "", None, Some(InvalidMemoryAccess)),
        (Exit::Signal(SIGBUS), "", None, Some(InvalidMemoryAccess)),
        (Exit::Signal(6), "", None, Some(Bug)),
        (Exit::Signal(8), "", None, Some(Bug)),
        (Exit::Signal(64), "", None, None),
        (Exit::Code(1), "a child of it is gone", Some(2), Some(OutOfMemory)),
    ] {
        assert_eq!(told_by(exit, log, oom_kills), expected, "{exit:?} {log:?}");
    }
}

#[test]
fn a_shell_says_signals_by_its_exit_code() {
    for (code, expected) in [
        (132, Some(IllegalInstruction)),
        (134, Some(Bug)),
        (137, Some(Killed)),
        (139, Some(InvalidMemoryAccess)),
        (143, Some(Killed)),
        (128, None),
        (255, None),
    ] {
        assert_eq!(told_by(Exit::Code(code), "", None), expected, "{code}");
    }
    assert_eq!(told_by(Exit::Code(137), "", Some(1)), Some(OutOfMemory));
}

#[test]
fn last_words_are_understood() {
    let panic = |message: &str| format!("thread 'engine' panicked at src/engine.rs:42:9:\n{message}");
    let run_out = panic(&format!(
        "called `Result::unwrap()` on an `Err` value: {CUDA_FULL}"
    ));
    let index = panic("index out of bounds: the len is 3 but the index is 7");
    for (exit, log, expected) in [
        // The host's memory.
        (
            Exit::Signal(6),
            "memory allocation of 8589934592 bytes failed",
            OutOfMemory,
        ),
        (
            Exit::Signal(6),
            "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc",
            OutOfMemory,
        ),
        (
            Exit::Code(1),
            "Error: mapping the model: Cannot allocate memory (os error 12)",
            OutOfMemory,
        ),
        // The GPU's.
        (Exit::Code(1), CUDA_FULL, OutOfDeviceMemory),
        (Exit::Code(101), run_out.as_str(), OutOfDeviceMemory),
        (
            Exit::Code(1),
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
            OutOfDeviceMemory,
        ),
        (
            Exit::Code(1),
            "cublas error: CUBLAS_STATUS_ALLOC_FAILED",
            OutOfDeviceMemory,
        ),
        (
            Exit::Code(1),
            "ggml_backend_cuda_buffer_type_alloc_buffer: cudaMalloc failed: out of memory",
            OutOfDeviceMemory,
        ),
        (
            Exit::Signal(6),
            "error: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
            OutOfDeviceMemory,
        ),
        (Exit::Signal(11), CUDA_FULL, OutOfDeviceMemory),
        // The GPU itself.
        (
            Exit::Code(1),
            r#"Error: DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered")"#,
            DeviceError,
        ),
        (
            Exit::Code(1),
            r#"DriverError(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected")"#,
            DeviceError,
        ),
        (
            Exit::Code(1),
            "CUDA error 35: CUDA driver version is insufficient for CUDA runtime version",
            DeviceError,
        ),
        (
            Exit::Signal(6),
            "NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.",
            DeviceError,
        ),
        (
            Exit::Signal(6),
            "Caused GPU Timeout Error (00000002:kIOGPUCommandBufferCallbackErrorTimeout)",
            DeviceError,
        ),
        // Files.
        (
            Exit::Code(127),
            "llm-worker-rbee-cuda: error while loading shared libraries: libcudart.so.12: cannot open shared \
             object file: No such file or directory",
            MissingFile,
        ),
        (Exit::Code(1), FILE_MISSING, MissingFile),
        (
            Exit::Code(1),
            "./llm-worker-rbee-cpu: /lib/libc.so.6: version `GLIBC_2.39' not found (required by ./llm-worker-rbee-cpu)",
            MissingFile,
        ),
        (
            Exit::Signal(6),
            "dyld[4711]: Library not loaded: @rpath/libomp.dylib",
            MissingFile,
        ),
        (
            Exit::Code(101),
            "thread 'main' panicked at cudarc/src/lib.rs:200:5:\nUnable to dynamically load the \"cuda\" shared library",
            MissingFile,
        ),
        // The program itself.
        (Exit::Code(101), index.as_str(), Bug),
        (Exit::Signal(6), index.as_str(), Bug),
        (Exit::Code(101), "no more is known", Bug),
        (Exit::Signal(6), "thread 'main' has overflowed its stack", Bug),
    ] {
        assert_eq!(told_by(exit, log, None), Some(expected), "{exit:?} {log}");
    }
}

#[test]
fn old_and_harmless_lines_tell_nothing() {
    let index = "thread 'main' panicked at src/main.rs:1:1:\nindex out of bounds";
    assert_eq!(
        told_by(Exit::Code(101), &format!("{FILE_MISSING}\n{index}"), None),
        Some(Bug),
        "what comes before a panic is not its cause"
    );
    let long_ago = format!("{CUDA_FULL}\n{}", "a request is answered\n".repeat(LAST_WORDS));
    for exit in [Exit::Code(1), Exit::Code(0)] {
        assert_eq!(told_by(exit, &long_ago, None), None);
    }
    assert_eq!(
        told_by(Exit::Signal(11), &long_ago, None),
        Some(InvalidMemoryAccess)
    );
    assert_eq!(
        told_by(Exit::Code(1), &format!("{FILE_MISSING}\n{CUDA_FULL}"), None),
        Some(OutOfDeviceMemory),
        "the last word counts"
    );
    for log in ["", "memory allocation of the cache is done", "bye"] {
        assert_eq!(told_by(Exit::Code(1), log, None), None, "{log}");
        assert_eq!(told_by(Exit::Code(0), CUDA_FULL, None), None);
    }
}

#[test]
fn each_cause_has_words_of_its_own() {
    let names: std::collections::BTreeSet<_> = FailureCause::ALL.map(FailureCause::name).into();
    assert_eq!(names.len(), FailureCause::ALL.len());
    for cause in FailureCause::ALL {
        let kept = serde_json::to_string(&cause).unwrap();
        assert_eq!(kept, format!("\"{}\"", cause.name()));
        assert_eq!(serde_json::from_str::<FailureCause>(&kept).unwrap(), cause);
        let message = with_cause(&describe_exit("while it was serving", Exit::Code(1)), cause);
        assert!(
            message.contains("(exit code 1): ") && message.contains(';') && !message.ends_with('.'),
            "it says what to do: {message}"
        );
    }
    assert_eq!(
        describe_exit("before it was ready", Exit::Code(3)),
        "the worker ended before it was ready (exit code 3); its log may say why"
    );
    assert_eq!(with_cause("not ready after 60 s", Hung), "not ready after 60 s");
}

#[test]
fn where_the_hive_ended_it_the_signal_tells_nothing() {
    let tail = [CUDA_FULL.to_owned()];
    for (reason, exit, oom_kills, expected) in [
        (reason::WORKER_EXITED, Exit::Signal(9), None, Some(Killed)),
        (
            reason::WORKER_EXITED,
            Exit::Code(1),
            None,
            Some(OutOfDeviceMemory),
        ),
        (reason::WORKER_UNRESPONSIVE, Exit::Signal(9), Some(0), Some(Hung)),
        (reason::WORKER_NOT_READY, Exit::Signal(15), None, Some(Hung)),
        (
            reason::WORKER_NOT_READY,
            Exit::Signal(9),
            Some(1),
            Some(OutOfMemory),
        ),
        (
            reason::MODEL_CORRUPT,
            Exit::Signal(15),
            None,
            Some(OutOfDeviceMemory),
        ),
        (
            reason::MODEL_CORRUPT,
            Exit::Code(2),
            None,
            Some(OutOfDeviceMemory),
        ),
    ] {
        assert_eq!(
            cause_of_failure(reason, exit, &tail, oom_kills),
            expected,
            "{reason} {exit:?}"
        );
    }
    assert_eq!(
        cause_of_failure(reason::MODEL_CORRUPT, Exit::Signal(9), &[], None),
        None
    );
}
