//! Shell completions, made from the tables of a program's commands.

use crate::cli::command::{CommandOption, CommandTable};

pub(crate) const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// The table of the command `completions` of a program.
macro_rules! completions_command {
    ($program:tt) => {
        $crate::cli::command::command! {
            $program, "completions", "bash|zsh|fish", "prints the completions for a shell";
            [];
            "The script completes commands, their options, and the values of options.";
            [
                "source <(callrec completions bash)",
                "callrec completions zsh >/usr/local/share/zsh/site-functions/_callrec",
                "callrec completions fish >/etc/fish/completions/callrec.fish",
            ]
        }
    };
}

pub(crate) use completions_command;

/// What can be completed in a place of the command line.
enum Values<'a> {
    /// Anything.
    Free,
    Files,
    /// One of these words.
    Words(Vec<&'a str>),
}

/// By the name that stands for the value in the table.
fn values_of<'a>(name: &'a str, tables: &[CommandTable]) -> Values<'a> {
    let is_file = ["FILE", "DIR", "OUT", "AUDIO", "SOCKET"];
    let lower = |word: &str| !word.is_empty() && word.bytes().all(|b| !b.is_ascii_uppercase());
    let is_word = |word: &str| lower(word) || ["PCMU", "PCMA"].contains(&word);
    let first = name.split(' ').next().unwrap_or_default();
    if name == "[COMMAND]" {
        Values::Words(tables.iter().map(|table| table.name).collect())
    } else if first.contains('|') && first.split('|').all(is_word) {
        Values::Words(first.split('|').collect())
    } else if is_file.iter().any(|file| name.contains(file)) {
        Values::Files
    } else {
        Values::Free
    }
}

/// The script for a shell; `None` if the shell is unknown.
pub(crate) fn script(shell: &str, program: &str, tables: &[CommandTable]) -> Option<String> {
    match shell {
        "bash" => Some(bash(program, tables)),
        "zsh" => Some(zsh(program, tables)),
        "fish" => Some(fish(program, tables)),
        _ => None,
    }
}

fn function_name(program: &str) -> String {
    format!("_{}", program.replace('-', "_"))
}

fn bash(program: &str, tables: &[CommandTable]) -> String {
    let function = function_name(program);
    let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
    let mut script = format!(
        "# bash completion of {program}
{function}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    COMPREPLY=()
    if [ \"$COMP_CWORD\" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W '{} --help --version' -- \"$current\")
        return
    fi
    case ${{COMP_WORDS[1]}} in
",
        names.join(" ")
    );
    for table in tables {
        script.push_str(&format!("    {})\n        case $previous in\n", table.name));
        for option in table
            .options
            .iter()
            .filter(|option| !option.value.is_empty())
        {
            let action = bash_action(&values_of(option.value, tables));
            let forms = flags(option).join("|");
            script.push_str(&format!("        {forms}) {action}return ;;\n"));
        }
        script.push_str("        esac\n");
        let mut all: Vec<String> = table.options.iter().flat_map(flags).collect();
        all.extend(["-h".into(), "--help".into()]);
        script.push_str(&format!(
            "        if [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$current\")
            return
        fi
        {}return ;;
",
            all.join(" "),
            bash_action(&values_of(table.arguments, tables))
        ));
    }
    script.push_str(&format!("    esac\n}}\ncomplete -F {function} {program}\n"));
    script
}

fn bash_action(values: &Values) -> String {
    match values {
        Values::Free => String::new(),
        Values::Files => "compopt -o filenames 2>/dev/null; \
             mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); "
            .into(),
        Values::Words(words) => format!(
            "mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$current\"); ",
            words.join(" ")
        ),
    }
}

/// `-s` and `--socket`, or only `--json`.
pub(crate) fn flags(option: &CommandOption) -> Vec<String> {
    let long = format!("--{}", option.long);
    if option.short.is_empty() {
        vec![long]
    } else {
        vec![format!("-{}", option.short), long]
    }
}

fn zsh(program: &str, tables: &[CommandTable]) -> String {
    let function = function_name(program);
    let mut script = format!(
        "#compdef {program}
{function}() {{
    local line state
    _arguments -C '1:command:->command' '*::argument:->argument'
    case $state in
    command)
        local -a commands=(
"
    );
    for table in tables {
        let summary = zsh_text(table.summary);
        script.push_str(&format!("            '{}:{summary}'\n", table.name));
    }
    script.push_str("        )\n        _describe command commands ;;\n    argument)\n        case $line[1] in\n");
    for table in tables {
        script.push_str(&format!("        {})\n            _arguments", table.name));
        for option in table.options {
            let help = zsh_text(option.help);
            let value = match values_of(option.value, tables) {
                _ if option.value.is_empty() => String::new(),
                values => format!(":value:{}", zsh_action(&values)),
            };
            // Not excluding itself: some options may be given several times.
            for flag in flags(option) {
                script.push_str(&format!(" \\\n                '*{flag}[{help}]{value}'"));
            }
        }
        let action = zsh_action(&values_of(table.arguments, tables));
        script.push_str(&format!(
            " \\\n                '(- *)'{{-h,--help}}'[print help]' \\\n                '*:argument:{action}' ;;\n"
        ));
    }
    script.push_str(&format!(
        "        esac ;;\n    esac\n}}\n{function} \"$@\"\n"
    ));
    script
}

fn zsh_action(values: &Values) -> String {
    match values {
        Values::Free => " ".into(),
        Values::Files => "_files".into(),
        Values::Words(words) => format!("({})", words.join(" ")),
    }
}

/// Text within single quotes and brackets.
fn zsh_text(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\'' => escaped.push_str("'\\''"),
            '[' | ']' | ':' | '\\' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

fn fish(program: &str, tables: &[CommandTable]) -> String {
    let mut script = format!("# fish completion of {program}\ncomplete -c {program} -f\n");
    for table in tables {
        let name = table.name;
        let summary = fish_text(table.summary);
        script.push_str(&format!(
            "complete -c {program} -n __fish_use_subcommand -a {name} -d '{summary}'\n"
        ));
        let condition = format!("-n '__fish_seen_subcommand_from {name}'");
        match values_of(table.arguments, tables) {
            Values::Free => {}
            Values::Files => {
                script.push_str(&format!("complete -c {program} {condition} -F\n"));
            }
            Values::Words(words) => script.push_str(&format!(
                "complete -c {program} {condition} -a '{}'\n",
                words.join(" ")
            )),
        }
        for option in table.options {
            let short = if option.short.is_empty() {
                String::new()
            } else {
                format!(" -s {}", option.short)
            };
            let value = match values_of(option.value, tables) {
                _ if option.value.is_empty() => String::new(),
                Values::Free => " -x".into(),
                Values::Files => " -r -F".into(),
                Values::Words(words) => format!(" -x -a '{}'", words.join(" ")),
            };
            script.push_str(&format!(
                "complete -c {program} {condition}{short} -l {}{value} -d '{}'\n",
                option.long,
                fish_text(option.help)
            ));
        }
    }
    script
}

/// Text within single quotes.
fn fish_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}
