//! Writes every target's seeds into `FOLDER/TARGET/seed-NN`: what a fuzzer begins with.

use bot4_fuzz::TARGETS;
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("seeds: name the folder to write to, such as fuzz/found");
        std::process::exit(2);
    };
    for target in TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (index, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{index:02}")), seed)?;
        }
    }
    Ok(())
}
