//! Help, usage failures and completions.

#![cfg(feature = "cli")]

mod command;

use command::Desk;

const SUBCOMMANDS: [&str; 9] =
    ["demo", "bus", "echo", "call", "send", "listen", "ready", "peers", "completions"];

#[test]
fn help_teaches_examples_and_exit_codes() {
    let desk = Desk::new();
    let help = desk.run(["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for word in SUBCOMMANDS.into_iter().chain(["Examples:", "Exit codes:", "IPCM_BUS", "  7  "]) {
        assert!(help.text().contains(word), "{word:?} is not in the help");
    }
    for subcommand in SUBCOMMANDS {
        let help = desk.run([subcommand, "--help"]);
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{subcommand}");
        let usage = format!("Usage: ipcm {subcommand}");
        assert!(help.text().contains(&usage), "{}", help.text());
    }
    for subcommand in ["echo", "call", "send", "listen", "ready", "peers"] {
        let help = desk.run([subcommand, "--help"]);
        assert!(help.text().contains("[INFO]") && help.text().contains("$IPCM_BUS"), "{subcommand}");
        assert!(help.text().contains("Example"), "{subcommand}");
    }
    desk.run(["--version"]).assert_output(format!("ipcm {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_line_is_a_usage_failure() {
    let desk = Desk::new();
    for arguments in [
        &["fly"][..],
        &["call"],
        &["call", "peer"],
        &["call", "a", "b", "c", "d"],
        &["call", "--timeout", "soon", "a", "b"],
        &["call", "--timeout", "-1", "a", "b"],
        &["call", "--no-such-option", "a", "b"],
        &["bus"],
        &["bus", "fly"],
        &["peers", "a", "b"],
        &["completions", "cmd.exe"],
    ] {
        let end = desk.run(arguments);
        assert_eq!((end.code, end.text()), (Some(2), ""), "{arguments:?}: {}", end.stderr);
        assert!(end.stderr.starts_with("ipcm: "), "{arguments:?}: {}", end.stderr);
    }
    let told = desk.run(["call", "--json", "--timeout", "soon", "a", "b"]);
    assert_eq!((told.code, told.json_error().as_str()), (Some(2), "usage"));
}

#[test]
fn no_subcommand_shows_the_help_as_a_failure() {
    let desk = Desk::new();
    let end = desk.run([""; 0]);
    assert_eq!((end.code, end.text()), (Some(2), ""));
    assert!(end.stderr.contains("Usage: ipcm <COMMAND>"), "{}", end.stderr);
}

#[test]
fn every_shell_has_a_completion_script() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = desk.run(["completions", shell]);
        assert_eq!((script.code, script.stderr.as_str()), (Some(0), ""), "{shell}");
        for word in SUBCOMMANDS {
            assert!(script.text().contains(word), "{word} is not in the script for {shell}");
        }
    }
}
