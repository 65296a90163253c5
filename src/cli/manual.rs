//! Manual pages (man(7)), made from the tables of a program's commands.

use crate::cli::command::CommandTable;
use crate::cli::completions::flags;

/// The table of the command `man` of a program.
macro_rules! man_command {
    ($program:tt) => {
        $crate::cli::command::command! {
            $program, "man", "[COMMAND]", "prints the manual page of the program or of a command";
            [];
            "The page is in the format of man(7), which man and groff read.";
            ["callrec man >/usr/local/share/man/man1/callrec.1", "callrec man export | man -l -"]
        }
    };
}

pub(crate) use man_command;

/// The page of a command.
pub(crate) fn command_page(program: &str, table: &CommandTable) -> String {
    let title = format!("{program}-{}", table.name);
    let mut page = head(&title, table.summary);
    page.push_str(".SH SYNOPSIS\n");
    page.push_str(&format!(
        ".B {}\n",
        escape(&format!("{program} {}", table.name))
    ));
    line(&mut page, &format!("[OPTION]... {}", table.arguments));
    page.push_str(".SH DESCRIPTION\n");
    paragraphs(&mut page, table.description);
    page.push_str(".SH OPTIONS\n");
    for option in table.options {
        page.push_str(".TP\n");
        let flags = flags(option).join(", ");
        let value = if option.value.is_empty() {
            String::new()
        } else {
            format!(" \\fI{}\\fR", escape(option.value))
        };
        page.push_str(&format!("\\fB{}\\fR{value}\n", escape(&flags)));
        line(&mut page, option.help);
    }
    page.push_str(".TP\n\\fB\\-h, \\-\\-help\\fR\nprint a short help\n");
    page.push_str(".SH EXIT STATUS\n0 on success, 1 on a failure, 2 for a usage error.\n");
    page.push_str(".SH EXAMPLES\n.nf\n");
    for example in table.examples {
        line(&mut page, example);
    }
    page.push_str(".fi\n.SH SEE ALSO\n");
    page.push_str(&format!(".BR {} (1)\n", escape(program)));
    page
}

/// The page of the program, which lists its commands.
pub(crate) fn program_page(program: &str, summary: &str, tables: &[CommandTable]) -> String {
    let mut page = head(program, summary);
    page.push_str(&format!(
        ".SH SYNOPSIS\n.B {}\n.I COMMAND\n[ARGUMENT]...\n.SH COMMANDS\n",
        escape(program)
    ));
    for table in tables {
        page.push_str(&format!(
            ".TP\n\\fB{}\\fR {}\n",
            escape(table.name),
            escape(table.arguments)
        ));
        line(&mut page, table.summary);
    }
    page.push_str(".SH SEE ALSO\n");
    for (number, table) in tables.iter().enumerate() {
        let comma = if number + 1 == tables.len() { "" } else { "," };
        let title = escape(&format!("{program}-{}", table.name));
        page.push_str(&format!(".BR {title} (1){comma}\n"));
    }
    page
}

fn head(title: &str, summary: &str) -> String {
    format!(
        ".TH {} 1 \"\" \"callrec {}\"\n.SH NAME\n{} \\- {}\n",
        escape(&title.to_uppercase()),
        env!("CARGO_PKG_VERSION"),
        escape(title),
        escape(summary)
    )
}

fn paragraphs(page: &mut String, text: &str) {
    for (number, paragraph) in text.split("\n\n").enumerate() {
        if number > 0 {
            page.push_str(".PP\n");
        }
        for text in paragraph.lines() {
            line(page, text);
        }
    }
}

/// A line of text. A line that begins with a dot or a quote would be a request to the formatter.
fn line(page: &mut String, text: &str) {
    if text.starts_with(['.', '\'']) {
        page.push_str("\\&");
    }
    page.push_str(&escape(text));
    page.push('\n');
}

/// A backslash begins an escape sequence, and a plain `-` may become another dash.
fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
