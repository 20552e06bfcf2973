//! What a program costs: wall time, CPU time of user and system, largest memory, as the kernel counts them.

use anyhow::{Context, Result, bail};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// The cost of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Seconds from start to end.
    pub wall: f64,
    /// Seconds of CPU, user and system together.
    pub cpu: f64,
    /// Largest resident memory, in bytes.
    pub memory: u64,
}

impl Cost {
    /// The median of each part, and the largest memory.
    pub fn median(costs: &[Self]) -> Self {
        let part = |part: fn(&Self) -> f64| median(&costs.iter().map(part).collect::<Vec<_>>());
        Self { wall: part(|cost| cost.wall), cpu: part(|cost| cost.cpu), memory: costs.iter().map(|cost| cost.memory).max().unwrap_or(0) }
    }
}

/// The middle value; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Runs a program that must succeed; gives back its cost and standard output.
pub fn run(program: &str, arguments: &[&str]) -> Result<(Cost, Vec<u8>)> {
    let mut output = Vec::new();
    let cost = run_with(program, arguments, &[0], |stdout| Ok(stdout.read_to_end(&mut output).map(|_| ())?))?;
    Ok((cost, output))
}

/// Runs a program whose standard output is taken as it comes: what this process holds at that time counts as memory of
/// the programs that it starts, so nothing large is kept. `codes` are the exit codes that are fine.
pub fn run_with(program: &str, arguments: &[&str], codes: &[i32], take: impl FnOnce(&mut dyn Read) -> Result<()>) -> Result<Cost> {
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{program} cannot be started"))?;
    let mut stderr = child.stderr.take().context("standard error is piped")?;
    let errors = std::thread::spawn(move || {
        let mut text = Vec::new();
        // What cannot be read is left out of a message, no more.
        let _ = stderr.read_to_end(&mut text);
        text
    });
    // The pipe is closed before the child is waited for: a program whose output is not taken to its end must not hang.
    let taken = child.stdout.take().context("standard output is piped").and_then(|mut stdout| take(&mut stdout));
    let (code, mut cost) = wait(&child)?;
    cost.wall = start.elapsed().as_secs_f64();
    if !code.is_some_and(|code| codes.contains(&code)) {
        let errors = errors.join().unwrap_or_default();
        bail!("{program} {} ended with {code:?}: {}", arguments.join(" "), String::from_utf8_lossy(&errors));
    }
    taken?;
    Ok(cost)
}

/// Waits for a child that nobody else waits for: its exit code and what the kernel counted for it.
#[allow(unsafe_code)] // the standard library does not give a child's resource usage
fn wait(child: &Child) -> Result<(Option<i32>, Cost)> {
    let pid = libc::pid_t::try_from(child.id())?;
    let mut status = 0;
    // SAFETY: an all-zero rusage is a valid value of that plain struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live values of the right type; the pid is of a child not yet waited for.
        if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } == pid {
            break;
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error).context("the child cannot be waited for");
        }
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let memory = u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024;
    let cost = Cost { wall: 0.0, cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime), memory };
    Ok((libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)), cost))
}

/// Seconds of CPU that a running process has used, threads that ended included, to the nanosecond.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)] // the standard library knows no clocks of processes
pub fn cpu_of(pid: u32) -> Result<f64> {
    let pid = libc::pid_t::try_from(pid)?;
    let mut clock: libc::clockid_t = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both pointers are to live values of the right type.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    anyhow::ensure!(error == 0, "process {pid} has no clock: error {error}");
    // SAFETY: the pointer is to a live value of the right type.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(std::io::Error::last_os_error()).context("the clock of a process cannot be read");
    }
    Ok(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

/// Other systems have no such clock, and no `/proc` either.
#[cfg(not(target_os = "linux"))]
pub fn cpu_of(_: u32) -> Result<f64> {
    bail!("the benchmark asks the kernel what only Linux tells")
}

/// A number in `/proc/<pid>/<file>` that stands behind `name`.
pub fn proc_number(pid: u32, file: &str, name: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/{file}");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("{path} has no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_and_output_of_a_program() {
        let (cost, output) = run("sh", &["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo $i"]).unwrap();
        assert_eq!(output, b"20000\n");
        assert!(cost.cpu > 0.0 && cost.wall > 0.0 && cost.memory > 0);
        assert!(run("sh", &["-c", "exit 3"]).is_err());
        assert!(run_with("sh", &["-c", "exit 3"], &[0, 3], |_| Ok(())).is_ok());
        assert!(run_with("sh", &["-c", "echo x"], &[0], |_| bail!("not what was wanted")).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_running_process_is_asked() {
        let own = std::process::id();
        let before = cpu_of(own).unwrap();
        let sum: u64 = (0..3_000_000u64).fold(0, |sum, value| std::hint::black_box(sum ^ value));
        assert!(cpu_of(own).unwrap() > before && sum < u64::MAX);
        assert!(proc_number(own, "status", "VmHWM").unwrap() > 100);
        assert!(proc_number(own, "status", "nothing").is_err());
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[]), 0.0);
    }
}
