//! The command line.

pub struct Options {
    pub servers: Vec<String>,
    /// Messages without an acknowledgement.
    pub window: usize,
    /// Messages in an atomic publish; 1: each is published alone.
    pub batch: usize,
    pub seconds: u64,
    pub warmup: u64,
}

/// What a server takes in an atomic publish.
const BATCH_MAX: usize = 1000;

pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        servers: Vec::new(),
        window: 1024,
        batch: 1,
        seconds: 5,
        warmup: 1,
    };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or(format!("{flag} needs a value"))?;
        let bad = || format!("{flag} can't be {value}");
        let number = value.parse().ok();
        let positive = number.filter(|&number: &usize| number > 0);
        match &*flag {
            "--servers" => options.servers = value.split(',').map(str::to_owned).collect(),
            "--window" => options.window = positive.ok_or_else(bad)?,
            "--batch" => {
                let batch = positive.filter(|&number| number <= BATCH_MAX);
                options.batch = batch.ok_or_else(bad)?;
            }
            "--seconds" => options.seconds = positive.ok_or_else(bad)? as u64,
            "--warmup" => options.warmup = number.ok_or_else(bad)? as u64,
            _ => return Err(format!("{flag} is not known")),
        }
    }
    if options.servers.is_empty() {
        return Err("--servers is needed".to_owned());
    }
    if options.batch > options.window {
        return Err("--batch can't be above --window".to_owned());
    }
    Ok(options)
}
