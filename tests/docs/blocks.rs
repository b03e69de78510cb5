//! The fenced blocks of the pages. Each is run by a test, or says that it isn't:
//! `<!-- not run: why -->` above it, and words beside it for who reads the page.

use std::fs;

use crate::root;

/// What tests run: the page, the section (empty: all of them), the languages, and
/// the file that runs the blocks and names the page.
const RUN: &str = "
README.md | Run it | sh | tests/docs/first_steps.rs
README.md | Run it | console | tests/docs/commands.rs
README.md | Your own processor | rust | tests/docs/processor.rs
README.md | More than one machine | sh console | tests/nats/readme.rs
docs/access.md | | sh console | tests/access_docs.rs
docs/access.md | Client addresses | bash | tests/docs/first_steps.rs
docs/api.md | Batches | console | tests/docs/commands.rs
docs/api.md | The feed | console | tests/docs/commands.rs
docs/api.md | Clients | sh python | tests/docs/commands.rs
docs/clients.md | | go java js python csharp | tests/clients/docs.rs
docs/clients.md | Command line | sh | tests/docs/first_steps.rs
docs/nats.md | | sh | tests/docs/first_steps.rs
docs/operations.md | Watch backpressure | sh | tests/docs/first_steps.rs
docs/operations.md | Upgrade | haproxy | tests/rolling_update/balancer.rs
docs/operations.md | Metrics and alerts | yaml | tests/docs/first_steps.rs
docs/operations.md | Backup and restore | sh | tests/docs/commands.rs
docs/operations.md | Journal tools | sh | tests/docs/commands.rs
docs/processors.md | | rust toml | tests/docs/processor.rs
docs/proxies.md | | nginx haproxy yaml | tests/proxies/proxy.rs
docs/runbook.md | A full disk | console | tests/runbook.rs
docs/runbook.md | A damaged journal | console | tests/runbook.rs
docs/runbook.md | Back up and restore | console | tests/runbook.rs
docs/runbook.md | | sh | tests/docs/first_steps.rs
docs/runbook.md | | sh | tests/alerts/runbook.rs
docs/CONTRIBUTING.md | | sh | .ci/run
tests/fuzz/README.md | | sh | .ci/run
";

/// The rows of `RUN`.
fn run() -> impl Iterator<Item = [&'static str; 4]> {
    let rows = RUN.lines().filter(|row| !row.is_empty());
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        cells.try_into().expect("four cells")
    })
}

/// Pages with commands, beside those of docs/.
const PAGES: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "perf/README.md",
    "perf/results/README.md",
    "tests/fuzz/README.md",
];
/// Drawings and formats, which nobody runs.
const NO_COMMANDS: &str = "text";

struct Block {
    language: String,
    text: String,
    /// The headings above it, from the page's own on.
    section: Vec<String>,
    /// The last line above it.
    above: String,
    line: usize,
}

/// The blocks of a page.
fn parsed(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut section, mut above) = (Vec::new(), "");
    let mut is_open = false;
    for (number, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), is_open) {
            (Some(language), false) => blocks.push(Block {
                language: language.to_owned(),
                text: String::new(),
                section: section.clone(),
                above: above.to_owned(),
                line: number + 1,
            }),
            (None, true) => {
                let block = blocks.last_mut().expect("one is open");
                block.text += line;
                block.text += "\n";
            }
            (None, false) if line.starts_with('#') => {
                let heading = line.trim_start_matches('#');
                section.truncate(line.len() - heading.len() - 1);
                section.push(heading.trim().to_owned());
            }
            _ => {}
        }
        is_open ^= line.trim_start().starts_with("```");
        above = line;
    }
    assert!(!is_open, "a block without an end");
    blocks
}

/// The blocks of a page in this language, without their last line end.
pub(crate) fn of(page: &str, language: &str) -> Vec<String> {
    in_section(page, "", language)
}

/// Those below one heading.
pub(crate) fn in_section(page: &str, heading: &str, language: &str) -> Vec<String> {
    let blocks = parsed(&fs::read_to_string(root().join(page)).unwrap());
    let blocks = blocks.into_iter().filter(|block| {
        let is_below = heading.is_empty() || block.section.iter().any(|above| above == heading);
        block.language == language && is_below
    });
    blocks
        .map(|block| block.text.trim_end().to_owned())
        .collect()
}

/// Whether a page is one of those that a block of `RUN` is for, and has it.
fn is_run(page: &str, block: &Block) -> bool {
    run().any(|[of, heading, languages, _]| {
        of == page
            && languages
                .split(' ')
                .any(|language| language == block.language)
            && (heading.is_empty() || block.section.iter().any(|above| above == heading))
    })
}

fn pages() -> Vec<String> {
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|file| format!("docs/{}", file.unwrap().file_name().display()));
    let docs = docs.filter(|page| page.ends_with(".md"));
    PAGES
        .iter()
        .map(|page| (*page).to_owned())
        .chain(docs)
        .collect()
}

#[test]
fn each_is_run_or_says_that_it_is_not() {
    let mut all = 0;
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        for block in parsed(&text) {
            let at = format!("{page}:{}", block.line);
            let marked = block.above.strip_prefix("<!-- not run: ");
            let why = marked.and_then(|marked| marked.strip_suffix(" -->"));
            if block.language == NO_COMMANDS {
                let begins = block.text.trim_start().starts_with("order-processor ");
                assert!(!begins, "{at}: a command");
                continue;
            }
            match why {
                Some(why) => assert!(!why.is_empty(), "{at}: why is it not run?"),
                None => assert!(
                    is_run(&page, &block),
                    "{at}: no test runs it, and it doesn't say so"
                ),
            }
            all += usize::from(why.is_none());
            if why.is_some() {
                let heading = block.section.last().expect("a page has a heading");
                let (_, below) = text.split_once(&format!("# {heading}\n")).unwrap();
                let section = below.split("\n#").next().unwrap();
                let words = section.split_whitespace().collect::<Vec<_>>().join(" ");
                let words = words.to_lowercase();
                assert!(
                    words.contains("no test "),
                    "{at}: its readers don't hear so"
                );
            }
        }
    }
    assert!(all > 50, "{all} blocks");
}

#[test]
fn who_runs_them_is_there() {
    for [page, heading, languages, file] in run() {
        let source = fs::read_to_string(root().join(file)).expect(file);
        let names_it = source.contains(page) || file == ".ci/run";
        assert!(names_it, "{file} has nothing of {page}");
        for language in languages.split(' ') {
            let found = in_section(page, heading, language);
            assert!(!found.is_empty(), "{page}, {heading}: no {language}");
        }
    }
}
