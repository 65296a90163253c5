//! A command's table: its name, arguments, options, description and example. `--help`, shell completions and manual pages
//! are all made from it.
//!
//! The texts of `--help` are put together by the compiler, because the phone's program has no room for code that does it.
//! What completions and manual pages need is only in the PC's programs.

/// One command of a program.
pub(crate) struct Command {
    /// The lines that stand for it in the help of the program.
    pub(crate) usage: &'static str,
    /// What `--help` prints.
    pub(crate) help: &'static str,
    /// The table itself.
    #[cfg(any(feature = "tools", feature = "server", feature = "sim"))]
    pub(crate) table: Table,
}

/// What a command is, in parts.
#[cfg(any(feature = "tools", feature = "server", feature = "sim"))]
#[derive(Clone, Copy)]
pub(crate) struct Table {
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

/// Makes a `Command` of a table. An option is `(short, long, value, help)`, with `""` for what it does not have.
macro_rules! command {
    (
        $program:tt, $name:tt, $arguments:tt, $summary:tt;
        [$(($short:tt, $long:tt, $value:tt, $help:tt)),* $(,)?];
        $description:tt;
        [$($example:tt),+ $(,)?]
    ) => {
        $crate::cli::command::Command {
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
            table: $crate::cli::command::Table {
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

/// The help of a program: what it is, and its commands.
pub(crate) fn program_help(program: &str, summary: &str, commands: &[&Command]) -> String {
    let mut help = String::from(program);
    help.push_str(" - ");
    help.push_str(summary);
    help.push_str("\n\n");
    for command in commands {
        help.push_str(command.usage);
    }
    for more in [
        " COMMAND --help\n          explains a command, with an example\n",
        " --version\n",
    ] {
        help.push_str("  ");
        help.push_str(program);
        help.push_str(more);
    }
    help
}
