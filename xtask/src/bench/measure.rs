//! What a program costs: wall time, CPU time of user and system, largest memory, as the kernel counts them.

use anyhow::{Context, Result, bail};
use std::io::Read;
use std::process::{Command, Stdio};
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
    /// The median of each part.
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
    run_allowing(program, arguments, &[0])
}

/// The same with other exit codes that are fine.
pub fn run_allowing(program: &str, arguments: &[&str], codes: &[i32]) -> Result<(Cost, Vec<u8>)> {
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
    let mut output = Vec::new();
    child.stdout.take().context("standard output is piped")?.read_to_end(&mut output)?;
    let (code, mut cost) = wait(&child)?;
    cost.wall = start.elapsed().as_secs_f64();
    if !code.is_some_and(|code| codes.contains(&code)) {
        let errors = errors.join().unwrap_or_default();
        bail!("{program} {} ended with {code:?}: {}", arguments.join(" "), String::from_utf8_lossy(&errors));
    }
    Ok((cost, output))
}

/// Waits for a child that nobody else waits for: its exit code and what the kernel counted for it.
#[allow(unsafe_code)] // the standard library does not give a child's resource usage
fn wait(child: &std::process::Child) -> Result<(Option<i32>, Cost)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_and_output_of_a_program() {
        let (cost, output) = run("sh", &["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo $i"]).unwrap();
        assert_eq!(output, b"20000\n");
        assert!(cost.cpu > 0.0 && cost.wall > 0.0 && cost.memory > 0);
        assert!(run("sh", &["-c", "exit 3"]).is_err());
        assert!(run_allowing("sh", &["-c", "exit 3"], &[0, 3]).is_ok());
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[]), 0.0);
    }
}
