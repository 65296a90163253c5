//! What a README tells its reader to type: the lines of its code blocks, and its code spans that
//! begin with the name of a program.

use std::fs;

/// Programs that a walk may run. With `OTHERS`, their names make a code span, or the first line of
/// a code block, a command.
const HARMLESS: [&str; 7] = [
    "callrec",
    "callrec-server",
    "callrec-sim",
    "install", // into folders that are replaced
    "rsync",
    "source",
    "ulimit",
];

/// Programs that change the computer, or are not there: each of their commands has to be an
/// exception.
const OTHERS: [&str; 13] = [
    "/etc/init.d/S80callrec",
    "apt",
    "apt-get",
    "cargo",
    "git",
    "gftp-text",
    "install.sh",
    "journalctl",
    "llvm-nm",
    "sudo",
    "systemctl",
    "uninstall.sh",
    "useradd",
];

/// A command as it is printed.
#[derive(Clone, Debug)]
pub struct Command {
    /// Its document and line, for messages.
    pub place: String,
    pub text: String,
    /// The output that the document shows below it; none if it shows none.
    pub shown: Vec<String>,
    /// It is a code span, which may only name a program.
    pub is_span: bool,
}

/// A code block that is none of commands.
#[derive(Clone, Debug)]
pub struct Block {
    pub place: String,
    pub lines: Vec<String>,
}

impl Command {
    /// The program's name.
    pub fn program(&self) -> &str {
        program(&self.text)
    }

    /// It may be run by a test.
    pub fn is_harmless(&self) -> bool {
        is_harmless(self.program())
    }

    /// It only names a program, one of its commands, or its options: there is nothing to be run
    /// but `--help`.
    pub fn is_name(&self) -> bool {
        let is_option = |word: &str| word.starts_with("--");
        let is_verb = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase());
        let mut words = self.text.split(' ').skip(1);
        let first = words.next().unwrap_or("");
        self.is_span && (is_verb(first) || is_option(first)) && words.all(is_option)
    }
}

/// The first word that does not set a variable.
fn program(text: &str) -> &str {
    let is_setting = |word: &&str| word.contains('=');
    text.split(' ').find(|word| !is_setting(word)).unwrap_or("")
}

/// Also what is built of ours, and our scripts, of which only the help is run.
fn is_harmless(program: &str) -> bool {
    let name = program.strip_prefix("target/release/").unwrap_or(program);
    HARMLESS.contains(&name) || program.starts_with("scripts/")
}

fn is_command(text: &str) -> bool {
    let program = program(text);
    is_harmless(program) || OTHERS.contains(&program)
}

/// A document's commands, in the order of its text, and its other blocks.
pub fn read(path: &str) -> (Vec<Command>, Vec<Block>) {
    let text = fs::read_to_string(path).unwrap();
    let (mut commands, mut blocks) = (vec![], vec![]);
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        let place = format!("{path}:{}", number + 1);
        match (&mut open, line.starts_with("```")) {
            (None, true) => {
                let lines = vec![];
                open = Some(Block { place, lines });
            }
            (Some(_), true) => add_block(open.take().unwrap(), &mut commands, &mut blocks),
            (Some(block), false) => block.lines.push(line.to_owned()),
            (None, false) => add_spans(&place, line, &mut commands),
        }
    }
    assert!(open.is_none(), "{path}: a code block has no end");
    (commands, blocks)
}

/// A block with `$ ` is a transcript; one that begins with a program is a list of commands.
fn add_block(block: Block, commands: &mut Vec<Command>, blocks: &mut Vec<Block>) {
    let is_transcript = block.lines[0].starts_with("$ ");
    if !is_transcript && !is_command(&block.lines[0]) {
        blocks.push(block);
        return;
    }
    for line in &block.lines {
        let typed = if is_transcript {
            line.strip_prefix("$ ")
        } else {
            // What the command does is said behind it.
            line.split("  ").next()
        };
        let Some(typed) = typed else {
            let command = commands.last_mut().unwrap();
            command.shown.push(line.clone());
            continue;
        };
        let command = Command {
            place: block.place.clone(),
            text: typed.trim_end().to_owned(),
            shown: vec![],
            is_span: false,
        };
        assert!(is_command(typed), "not a known program: {command:?}");
        commands.push(command);
    }
}

/// Code spans; a span that stands several times in a document is one command.
fn add_spans(place: &str, line: &str, commands: &mut Vec<Command>) {
    for span in line.split('`').skip(1).step_by(2) {
        let is_known = commands.iter().any(|known| known.text == span);
        if is_command(span) && !is_known {
            commands.push(Command {
                place: place.to_owned(),
                text: span.to_owned(),
                shown: vec![],
                is_span: true,
            });
        }
    }
}
