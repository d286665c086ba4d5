//! The binary: calls `cli` and nothing else.

use bot4::host::allocation::CountingAllocator;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

fn main() -> ExitCode {
    bot4::cli::main()
}
