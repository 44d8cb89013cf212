//! How long the control groups of this process were held back by their CPU quotas.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// The files that say so: `cpu.stat` of its group and of those above it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Quotas(Vec<PathBuf>);

/// What they have said until now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Throttled {
    /// Periods in which a group was held back.
    periods: u64,
    /// How long in all; threads on several cores at once count several times.
    time: Duration,
}

/// A period of the kernel's as it is by default: what ends in the next second has begun in this one.
const PERIOD: Duration = Duration::from_millis(100);

impl Quotas {
    /// Those of this process, of both versions of control groups (cgroups(7)).
    pub(super) fn own() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let files = files(&groups, &mounts);
        Self(files.into_iter().filter(|file| file.exists()).collect())
    }

    /// What all of them say.
    pub(super) fn now(&self) -> Throttled {
        let read = self
            .0
            .iter()
            .filter_map(|file| fs::read_to_string(file).ok());
        read.map(|text| Throttled::parse(&text))
            .fold(Throttled::default(), |sum, one| Throttled {
                periods: sum.periods + one.periods,
                time: sum.time + one.time,
            })
    }
}

impl Throttled {
    /// `nr_throttled` of both versions; `throttled_usec` of the second, `throttled_time`, in nanoseconds, of the first.
    fn parse(text: &str) -> Self {
        let field = |name: &str| -> Option<u64> {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
        };
        let time = field("throttled_usec ").map(Duration::from_micros);
        Self {
            periods: field("nr_throttled ").unwrap_or(0),
            time: time
                .or(field("throttled_time ").map(Duration::from_nanos))
                .unwrap_or_default(),
        }
    }

    /// How long since an earlier reading. What has begun and not ended has no time yet, and counts as half a period.
    pub(super) fn since(self, before: Self) -> Duration {
        let time = self.time.saturating_sub(before.time);
        match self.periods > before.periods && time.is_zero() {
            true => PERIOD / 2,
            false => time,
        }
    }
}

/// Every `cpu.stat` that may speak of a process in these groups under these mounts.
fn files(groups: &str, mounts: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let mounted = mounts.lines().filter_map(Mount::parse);
        for mount in mounted.filter(|mount| mount.serves(controllers)) {
            let below = Path::new(path);
            let below = below.strip_prefix(mount.root).unwrap_or(below);
            let below = below.strip_prefix("/").unwrap_or(below);
            let own = Path::new(mount.at).join(below);
            let up = own
                .ancestors()
                .take_while(|group| group.starts_with(mount.at));
            files.extend(up.map(|group| group.join("cpu.stat")));
        }
    }
    files.sort();
    files.dedup();
    files
}

/// A line of `/proc/self/mountinfo` (proc(5)).
struct Mount<'a> {
    /// The folder of the file system that stands at its root.
    root: &'a str,
    at: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let mut after = after.split(' ');
        Some(Self {
            root: before.next()?,
            at: before.next()?,
            kind: after.next()?,
            options: after.nth(1)?,
        })
    }

    /// Whether it shows the groups of a line of `/proc/self/cgroup`: of the second version that line names no controller.
    fn serves(&self, controllers: &str) -> bool {
        let mut of_line = controllers.split(',');
        match self.kind {
            "cgroup2" => controllers.is_empty(),
            "cgroup" => {
                of_line.any(|one| one == "cpu") && self.options.split(',').any(|one| one == "cpu")
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_10_both_versions_of_control_groups_say_how_long_they_held_back() {
        let first = Throttled::parse(
            "nr_periods 48\nnr_throttled 47\nthrottled_time 3151176814\nnr_bursts 0\n",
        );
        assert_eq!(first.time, Duration::from_nanos(3_151_176_814));
        let second =
            Throttled::parse("usage_usec 5\nnr_periods 9\nnr_throttled 4\nthrottled_usec 240000\n");
        assert_eq!(
            (second.periods, second.time),
            (4, Duration::from_millis(240))
        );
        assert_eq!(Throttled::parse("usage_usec 5\n"), Throttled::default());
    }

    #[test]
    fn rule_10_what_has_begun_counts_before_it_has_ended() {
        let at = |periods, millis| Throttled {
            periods,
            time: Duration::from_millis(millis),
        };
        assert_eq!(at(4, 240).since(at(4, 240)), Duration::ZERO);
        assert_eq!(at(6, 360).since(at(4, 240)), Duration::from_millis(120));
        assert_eq!(at(5, 240).since(at(4, 240)), PERIOD / 2);
    }

    #[test]
    fn its_own_group_is_found_with_those_above_it() {
        let second = "27 23 0:24 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(
            files("0::/user.slice/run-7.scope\n", second),
            [
                "/sys/fs/cgroup/cpu.stat",
                "/sys/fs/cgroup/user.slice/cpu.stat",
                "/sys/fs/cgroup/user.slice/run-7.scope/cpu.stat"
            ]
            .map(PathBuf::from)
        );
        let first = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                     34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";
        assert_eq!(
            files("3:cpuset:/\n2:cpu,cpuacct:/docker/ab\n0::/\n", first),
            [
                "/sys/fs/cgroup/cpu,cpuacct/cpu.stat",
                "/sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.stat",
                "/sys/fs/cgroup/cpu,cpuacct/docker/cpu.stat"
            ]
            .map(PathBuf::from)
        );
        // In a container whose mount shows its own group as the root.
        let inside = "40 31 0:29 /docker/ab /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n";
        assert_eq!(
            files("2:cpu:/docker/ab\n", inside),
            ["/sys/fs/cgroup/cpu/cpu.stat"].map(PathBuf::from)
        );
        assert_eq!(files("nonsense", "nonsense"), [""; 0].map(PathBuf::from));
    }

    #[test]
    fn the_quotas_of_this_process_can_be_read() {
        let quotas = Quotas::own();
        assert!(!quotas.0.is_empty(), "no cpu.stat was found");
        quotas.now();
    }
}
