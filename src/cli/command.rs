//! A command's table: its name, arguments, options, description and example. `--help`, shell
//! completions and manual pages are all made from it.
//!
//! The texts of `--help` are put together by the compiler, because the phone's program has no room
//! for code that does it. What completions and manual pages need is only in the PC's programs.

/// One command of a program.
pub(crate) struct CommandSpec {
    /// The lines that stand for it in the help of the program.
    pub(crate) usage: &'static str,
    /// What `--help` prints.
    pub(crate) help: &'static str,
    /// The table itself.
    #[cfg(any(feature = "tools", feature = "server", feature = "sim"))]
    pub(crate) table: CommandTable,
}

/// What a command is, in parts.
#[cfg(any(feature = "tools", feature = "server", feature = "sim"))]
#[derive(Clone, Copy)]
pub(crate) struct CommandTable {
    pub(crate) name: &'static str,
    /// For example `FILE... OUT.wav`.
    pub(crate) arguments: &'static str,
    /// One line, a verb first.
    pub(crate) summary: &'static str,
    pub(crate) options: &'static [CommandOption],
    /// Paragraphs, separated by blank lines.
    pub(crate) description: &'static str,
    /// Command lines.
    pub(crate) examples: &'static [&'static str],
}

/// One option of a command.
#[cfg(any(feature = "tools", feature = "server", feature = "sim"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommandOption {
    /// One letter; empty if it has none.
    pub(crate) short: &'static str,
    pub(crate) long: &'static str,
    /// The name of the value, or `one|another` if only these are possible; empty if it takes none.
    pub(crate) value: &'static str,
    /// One line.
    pub(crate) help: &'static str,
}

/// Makes a `CommandSpec` of a table. An option is `(short, long, value, help)`, with `""` for what
/// it does not have.
macro_rules! command {
    (
        $program:tt, $name:tt, $arguments:tt, $summary:tt;
        [$(($short:tt, $long:tt, $value:tt, $help:tt)),* $(,)?];
        $description:tt;
        [$($example:tt),+ $(,)?]
    ) => {
        $crate::cli::command::CommandSpec {
            usage: concat!(
                "  ", $program, " ", $name, $crate::cli::command::arguments_help!($arguments),
                "\n          ", $summary, "\n"
            ),
            help: concat!(
                "Usage: ", $program, " ", $name, " [OPTION]...",
                $crate::cli::command::arguments_help!($arguments), "\n\n",
                $program, " ", $name, " ", $summary, ".\n\nOptions:\n",
                $($crate::cli::command::option_help!($short, $long, $value, $help),)*
                "  -h, --help\n          print this help\n\n",
                $description, "\n\nExamples:\n",
                $("  ", $example, "\n",)+
            ),
            #[cfg(any(feature = "tools", feature = "server", feature = "sim"))]
            table: $crate::cli::command::CommandTable {
                name: $name,
                arguments: $arguments,
                summary: $summary,
                options: &[$($crate::cli::command::CommandOption {
                    short: $short,
                    long: $long,
                    value: $value,
                    help: $help,
                }),*],
                description: $description,
                examples: &[$($example),+],
            },
        }
    };
}

/// The arguments that follow a command's name in the help.
macro_rules! arguments_help {
    ("") => {
        ""
    };
    ($arguments:tt) => {
        concat!(" ", $arguments)
    };
}

/// The lines of an option in the help.
macro_rules! option_help {
    ("", $long:tt, "", $help:tt) => {
        concat!("      --", $long, "\n          ", $help, "\n")
    };
    ("", $long:tt, $value:tt, $help:tt) => {
        concat!("      --", $long, " ", $value, "\n          ", $help, "\n")
    };
    ($short:tt, $long:tt, "", $help:tt) => {
        concat!("  -", $short, ", --", $long, "\n          ", $help, "\n")
    };
    ($short:tt, $long:tt, $value:tt, $help:tt) => {
        concat!(
            "  -",
            $short,
            ", --",
            $long,
            " ",
            $value,
            "\n          ",
            $help,
            "\n"
        )
    };
}

pub(crate) use {arguments_help, command, option_help};

/// What the help of a program is put together from: its parts are joined by `joined`.
macro_rules! program_help {
    ($program:tt, $summary:tt, [$($command:expr),+ $(,)?]) => {{
        const PARTS: &[&str] = &[
            concat!($program, " - ", $summary, "\n\n"),
            $($command.usage,)+
            concat!(
                "  ", $program, " COMMAND --help\n          explains a command, with an example\n",
                "  ", $program, " --version\n"
            ),
        ];
        const LENGTH: usize = $crate::cli::command::length(PARTS);
        const BYTES: [u8; LENGTH] = $crate::cli::command::joined(PARTS);
        const HELP: &str = match core::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => "",
        };
        HELP
    }};
}

pub(crate) use program_help;

/// Bytes of all parts.
pub(crate) const fn length(parts: &[&str]) -> usize {
    let mut length = 0;
    let mut number = 0;
    while number < parts.len() {
        length += parts[number].len();
        number += 1;
    }
    length
}

/// The parts in one array, so that the compiler does it (no `for` in a `const fn`).
pub(crate) const fn joined<const LENGTH: usize>(parts: &[&str]) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let mut at = 0;
    let mut number = 0;
    while number < parts.len() {
        let part = parts[number].as_bytes();
        let mut from = 0;
        while from < part.len() {
            bytes[at] = part[from];
            at += 1;
            from += 1;
        }
        number += 1;
    }
    bytes
}
