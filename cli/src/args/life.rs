//! How long workers live: stopping, restarting and keeping them.

use std::time::Duration;

use clap::Args;

/// Longest grace that a hive takes.
const LONGEST_GRACE: Duration = Duration::from_secs(60 * 60);
/// Shortest idle time that a hive takes.
const SHORTEST_IDLE: Duration = Duration::from_secs(1);

pub(super) const RESTART_EXAMPLES: &str = "\
Examples:
  rbee worker restart qwen                  lets running answers end first, and waits until it is ready again
  rbee worker restart qwen gemma --now      one after the other, breaking off what they answer
  rbee worker restart qwen --no-wait        only asks for it

A worker that has failed or crashed too often is tried again; its crashes are forgotten.";

pub(super) const SET_EXAMPLES: &str = "\
Examples:
  rbee worker set qwen --pin                spare it when room is made for others, and when it is idle
  rbee worker set qwen --idle-ttl 1h        stop it when it has answered nothing for an hour
  rbee worker set qwen --idle-ttl off       keep it";

/// How long running answers may go on.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Grace {
    /// Let running answers go on for this long, such as `30s`; at most 1h [default: the hive's]
    #[arg(long, value_name = "TIME", value_parser = grace, conflicts_with = "now")]
    pub(crate) drain: Option<Duration>,
    /// Break running answers off
    #[arg(long)]
    pub(crate) now: bool,
}

impl Grace {
    /// For the hive; absent to leave it to that.
    pub(crate) fn to_proto(self) -> Option<prost_types::Duration> {
        let grace = if self.now {
            Some(Duration::ZERO)
        } else {
            self.drain
        };
        grace.map(to_proto)
    }
}

/// Which workers to stop, and how.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// Worker ids, or the beginnings of them
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// How long running answers may go on
    #[command(flatten)]
    pub(crate) grace: Grace,
}

/// Which workers to start anew, and how.
#[derive(Debug, Args)]
pub(crate) struct RestartArgs {
    /// Worker ids, or the beginnings of them
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// How long running answers may go on
    #[command(flatten)]
    pub(crate) grace: Grace,
    /// Don't wait until they are ready again
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// How long a worker that is spawned is kept.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Keeping {
    /// Spare it when room is made for others, and don't stop it for being idle
    #[arg(long)]
    pub(crate) pin: bool,
    /// Stop it when it has answered nothing for this long, such as `30m`; `off` keeps it [default: the hive's]
    #[arg(long, value_name = "TIME", value_parser = idle_ttl)]
    pub(crate) idle_ttl: Option<Duration>,
}

/// Which workers to keep for longer or less long.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(crate) struct SetArgs {
    /// Worker ids, or the beginnings of them
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Spare them when room is made for others, and when they are idle
    #[arg(long, group = "what", conflicts_with = "no_pin")]
    pub(crate) pin: bool,
    /// Spare them no longer
    #[arg(long, group = "what")]
    pub(crate) no_pin: bool,
    /// Stop them when they have answered nothing for this long, such as `30m`; `off` keeps them
    #[arg(long, group = "what", value_name = "TIME", value_parser = idle_ttl)]
    pub(crate) idle_ttl: Option<Duration>,
}

impl SetArgs {
    /// Whether they are to be pinned; absent to leave that as it is.
    pub(crate) fn pinned(&self) -> Option<bool> {
        (self.pin || self.no_pin).then_some(self.pin)
    }
}

/// A duration of the command line, which is never too long for the contract.
pub(crate) fn to_proto(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).unwrap_or_default()
}

fn grace(text: &str) -> Result<Duration, String> {
    let grace = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if grace > LONGEST_GRACE {
        return Err("at most 1h".to_owned());
    }
    Ok(grace)
}

/// `off` is zero.
fn idle_ttl(text: &str) -> Result<Duration, String> {
    if text == "off" {
        return Ok(Duration::ZERO);
    }
    let idle = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if idle < SHORTEST_IDLE {
        return Err("at least 1s, or `off`".to_owned());
    }
    if prost_types::Duration::try_from(idle).is_err() {
        return Err("too long; `off` keeps it for good".to_owned());
    }
    Ok(idle)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Stop {
        #[command(flatten)]
        arguments: StopArgs,
    }

    #[derive(Debug, Parser)]
    struct Set {
        #[command(flatten)]
        arguments: SetArgs,
    }

    fn grace_of(line: &[&str]) -> Option<prost_types::Duration> {
        let line = [&["stop", "w1"], line].concat();
        Stop::parse_from(line).arguments.grace.to_proto()
    }

    #[test]
    fn a_grace_is_the_hives_unless_something_is_said() {
        let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        assert_eq!(grace_of(&[]), None);
        assert_eq!(grace_of(&["--drain", "30s"]), seconds(30));
        assert_eq!(grace_of(&["--now"]), seconds(0));
        for wrong in [["--drain", "2h"], ["--drain", "soon"]] {
            let line = [&["stop", "w1"][..], &wrong].concat();
            assert!(Stop::try_parse_from(line).is_err(), "{wrong:?}");
        }
        assert!(Stop::try_parse_from(["stop", "w1", "--now", "--drain", "1s"]).is_err());
    }

    #[test]
    fn a_change_changes_something() {
        let set = |line: &[&str]| {
            let line = [&["set", "w1"], line].concat();
            Set::try_parse_from(line).map(|set| (set.arguments.pinned(), set.arguments.idle_ttl))
        };
        assert!(set(&[]).is_err());
        assert!(set(&["--pin", "--no-pin"]).is_err());
        assert_eq!(set(&["--pin"]).unwrap(), (Some(true), None));
        assert_eq!(
            set(&["--no-pin", "--idle-ttl", "off"]).unwrap(),
            (Some(false), Some(Duration::ZERO))
        );
        for wrong in ["0s", "500ms", "later", "999999999999y"] {
            assert!(set(&["--idle-ttl", wrong]).is_err(), "{wrong}");
        }
    }
}
