//! Running other programs: announced, waited for, and reported in one line when they fail.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a command with this process's standard streams; anything but exit status 0 is an error that names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}

/// Runs a command quietly; when it fails, the end of what it said is in the error.
pub(crate) fn run_quietly(command: &mut Command) -> Result<Output> {
    let shown = show(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        bail!("{shown}: {}\n{}", output.status, tail(&said, 8));
    }
    Ok(output)
}

/// Runs a command and shows every line of its standard error to `watch` as it passes by.
pub(crate) fn run_watching_stderr(command: &mut Command, mut watch: impl FnMut(&str)) -> Result<()> {
    let shown = show(command);
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {shown}"))?;
    let mut stderr = BufReader::new(
        child
            .stderr
            .take()
            .expect("standard error was asked for as a pipe"),
    );
    let mut line = Vec::new();
    // Bytes, not `lines()`: a test may print what is not UTF-8, and it must still be passed on.
    while stderr
        .read_until(b'\n', &mut line)
        .with_context(|| format!("cannot read from {shown}"))?
        > 0
    {
        io::stderr()
            .write_all(&line)
            .context("cannot write to standard error")?;
        watch(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let status = child.wait().with_context(|| format!("cannot wait for {shown}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}

/// Whether the program can be started and says that all is well.
pub(crate) fn succeeds(program: impl AsRef<OsStr>, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as a person would type it.
pub(crate) fn show(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| {
            let word = word.to_string_lossy();
            if word.is_empty() || word.contains(char::is_whitespace) {
                format!("'{word}'")
            } else {
                word.into()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The last `count` lines, indented.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(count);
    lines[from..]
        .iter()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_is_typed() {
        let mut command = Command::new("/opt/tools/bin/buf");
        command.args(["lint", "two words", ""]);
        assert_eq!(show(&command), "buf lint 'two words' ''");
    }

    #[test]
    fn the_end_of_a_long_text_is_kept() {
        assert_eq!(tail("a\nb\nc\n", 2), "    b\n    c");
        assert_eq!(tail("a", 2), "    a");
    }

    #[test]
    fn a_failure_says_what_was_run_and_what_it_said() {
        let error =
            run_quietly(Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"])).unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("exit status: 3") && text.contains("no such thing"),
            "{text}"
        );
    }

    #[test]
    fn lines_are_seen_as_they_pass_by_even_when_the_command_fails() {
        let mut seen = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo first >&2; echo second >&2; exit 1"]);
        assert!(run_watching_stderr(&mut command, |line| seen.push(line.to_owned())).is_err());
        assert_eq!(seen, ["first\n", "second\n"]);
    }
}
