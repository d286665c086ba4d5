//! `bot4 bench compute`: whether devices agree, and how near each kernel comes to the machine's limits.
//!
//! Without `--check-only` the answers are checked first, then timed: a rate of a wrong answer is none.

mod picture;
mod rates;

use super::BenchError;
use crate::cli::picture::{png, svg};
use crate::compute::cases::Kernel;
use crate::compute::device::registry::Registry;
use crate::compute::device::{Choice, Device};
use crate::compute::limits::Limits;
use crate::compute::parity::{self, Parity};
use crate::host::cpu::Simd;
use crate::host::pin;
use clap::Args;
use rates::Rate;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `bot4 bench compute`.
#[derive(Debug, Args)]
pub struct ComputeArgs {
    /// Only this device: cpu-scalar, cpu-avx2, cuda or wgpu
    #[arg(long, default_value = "auto")]
    device: Choice,
    /// Compare devices and time nothing
    #[arg(long)]
    check_only: bool,
    /// The key of the jobs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plant an error of one unit in the last place in this kernel's answers: the check must fail
    #[arg(long, value_name = "KERNEL", value_parser = kernel)]
    spoil: Option<Kernel>,
    /// Write the roofline picture
    #[arg(long, value_name = "FILE.png|FILE.svg")]
    picture: Option<PathBuf>,
    /// The CPU to measure on; without it the last one allowed
    #[arg(long)]
    cpu: Option<u32>,
    /// JSON on stdout
    #[arg(long)]
    json: bool,
}

fn kernel(name: &str) -> Result<Kernel, String> {
    let known = || Kernel::ALL.map(Kernel::name).join(", ");
    Kernel::named(name)
        .ok_or_else(|| format!("no kernel is called `{name}`; there are {}", known()))
}

/// What `--check-only --json` prints.
#[derive(Debug, Serialize)]
struct Checked<'a> {
    parity: &'a [Parity],
}

/// Runs the command.
///
/// # Errors
/// A device that is not here, answers that disagree, or output that cannot be written.
pub fn run(args: &ComputeArgs, out: &mut dyn Write) -> Result<(), BenchError> {
    let devices = devices(args.device)?;
    let parity = parity(args, &devices);
    let apart: Vec<&Parity> = parity.iter().filter(|row| !row.agrees).collect();
    if args.check_only {
        if args.json {
            serde_json::to_writer_pretty(&mut *out, &Checked { parity: &parity })?;
            writeln!(out)?;
        } else {
            print_parity(&parity, out)?;
        }
    }
    if let Some(row) = apart.first() {
        out.flush()?;
        return Err(BenchError::Apart {
            kernel: row.kernel,
            device: row.device,
            against: row.against,
            error: row.max_error,
        });
    }
    if args.check_only {
        return Ok(());
    }
    let cpu = args.cpu.or_else(|| pin::allowed().last().copied());
    if let Some(cpu) = cpu {
        pin::current_thread(cpu)?;
    }
    let limits = Limits::measure(Simd::detect());
    let rates = rates::measure(&devices, args.seed, &limits);
    if let Some(path) = &args.picture {
        let picture = picture::roofline(&rates, &limits);
        let text = path.extension().is_some_and(|extension| extension == "svg");
        let mut bytes = Vec::new();
        if text {
            bytes.extend(svg(&picture).into_bytes());
        } else {
            png(&picture, &mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
        }
        std::fs::write(path, bytes)?;
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &rates)?;
        writeln!(out)?;
    } else {
        print_parity(&parity, out)?;
        print_rates(&rates, &limits, out)?;
    }
    Ok(())
}

fn devices(choice: Choice) -> Result<Vec<Device>, BenchError> {
    let registry = Registry::look();
    match choice {
        Choice::Auto => Ok(registry.present().collect()),
        Choice::Only(device) => match registry.present().find(|present| *present == device) {
            Some(device) => Ok(vec![device]),
            None => {
                Err(BenchError::Missing { device, presence: registry.presence(device).clone() })
            }
        },
    }
}

fn parity(args: &ComputeArgs, devices: &[Device]) -> Vec<Parity> {
    let pairs =
        Kernel::ALL.into_iter().flat_map(|k| devices.iter().map(move |device| (k, *device)));
    let check =
        |(kernel, device)| parity::check(kernel, device, args.seed, args.spoil == Some(kernel));
    pairs.filter_map(check).collect()
}

fn print_parity(parity: &[Parity], out: &mut dyn Write) -> Result<(), BenchError> {
    writeln!(
        out,
        "{:<12} {:<11} {:<23} {:>9} {:>6} {:>6} {:>10} {:>10}",
        "kernel", "device", "against", "numbers", "agree", "bits", "max error", "tolerance"
    )?;
    for row in parity {
        let word = |yes| if yes { "yes" } else { "NO" };
        writeln!(
            out,
            "{:<12} {:<11} {:<23} {:>9} {:>6} {:>6} {:>10.1e} {:>10.1e}",
            row.kernel,
            row.device,
            row.against,
            row.numbers,
            word(row.agrees),
            word(row.bits_equal),
            row.max_error,
            row.tolerance
        )?;
    }
    Ok(())
}

fn print_rates(rates: &[Rate], limits: &Limits, out: &mut dyn Write) -> Result<(), BenchError> {
    writeln!(
        out,
        "\none core: {:.1} G multiply-adds/s, {:.0} GB/s from L1, {:.0} from L2, {:.1} from memory",
        limits.operations / 1e9,
        limits.l1 / 1e9,
        limits.l2 / 1e9,
        limits.memory / 1e9
    )?;
    writeln!(
        out,
        "{:<12} {:<11} {:<38} {:>12} {:<18} {:>7} {:>9}",
        "kernel", "device", "size", "rate", "unit", "limit", "x scalar"
    )?;
    for row in rates {
        let (scale, prefix) = match row.rate {
            r if r >= 1e9 => (1e9, "G"),
            r if r >= 1e6 => (1e6, "M"),
            r if r >= 1e3 => (1e3, "k"),
            _ => (1.0, " "),
        };
        writeln!(
            out,
            "{:<12} {:<11} {:<38} {:>10.3} {prefix} {:<18} {:>6.0}% {:>9.1}",
            row.kernel,
            row.device,
            row.size,
            row.rate / scale,
            row.unit,
            100.0 * row.fraction_of_limit,
            row.scalar_ratio
        )?;
    }
    Ok(())
}
