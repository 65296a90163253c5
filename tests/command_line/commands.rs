//! The command line: what each command prints, and its exit status: 0 success, 1 failure, 2 usage
//! error.

use std::fs;
use std::process::Stdio;

use crate::common::made::Folder;
use crate::common::{assert_fails, callrec, stderr_of, wait_for, Phone};

#[test]
fn help_and_version_are_everywhere() {
    let (recorder, sim) = (
        env!("CARGO_BIN_EXE_callrec"),
        option_env!("CARGO_BIN_EXE_callrec-sim"),
    );
    let commands = [
        "run", "check", "ctl", "watch", "info", "repair", "export", "list", "verify",
    ]
    .map(|name| (recorder, Some(name)));
    let more = sim
        .into_iter()
        .flat_map(|sim| [(sim, None), (sim, Some("call"))]);
    let mut missing = vec![];
    for (program, command) in [(recorder, None)].into_iter().chain(commands).chain(more) {
        for flag in ["--help", "-h", "--version", "-V"] {
            let output = crate::common::command(program)
                .args(command)
                .arg(flag)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let told = match flag {
                "--help" | "-h" => {
                    text.contains(command.unwrap_or("call")) && text.lines().count() > 2
                }
                _ => text.contains(env!("CARGO_PKG_VERSION")) && text.lines().count() == 1,
            };
            if !output.status.success() || !output.stderr.is_empty() || !told {
                missing.push(format!(
                    "{program} {} {flag}: {}",
                    command.unwrap_or(""),
                    stderr_of(&output)
                ));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn bad_usage_is_status_2_and_one_line() {
    for arguments in [
        &[][..],
        &["dance"],
        &["--dance"],
        &["run", "extra"],
        &["run", "-c"],
        &["run", "--socket", "x"],
        &["check"],
        &["check", "a", "b"],
        &["ctl"],
        &["ctl", "-s"],
        &["watch", "extra"],
        &["info"],
        &["info", "--yaml", "x"],
        &["export"],
        &["export", "one"],
        &["repair"],
        &["repair", "--harder", "x"],
        &["list", "--yaml"],
        &["verify"],
    ] {
        assert_fails(&callrec(arguments), 2, &["callrec: "]);
    }
}

#[test]
fn check_prints_what_check_accepts_again() {
    let folder = Folder::new();
    let text = "# a phone\nvoiceCodec=PCMA\n  fileSizeLimit = 8 # MiB\r\n\nusbMount = /mnt/my stick\nmediaPorts = 5000 - 5010\n\
                mediaAddr = ::1\ndeviceMac = 0015651a2b3c\nserverAddr = pbx.example\nmessageEnd = crlf\npauseMode = silence\n";
    let first = callrec(&["check", &folder.file("conf", text.as_bytes())]);
    assert!(
        first.status.success() && first.stderr.is_empty(),
        "{}",
        stderr_of(&first)
    );
    let printed = String::from_utf8(first.stdout.clone()).unwrap();
    for line in [
        "voiceCodec = PCMA",
        "fileSizeLimit = 8",
        "usbMount = /mnt/my stick",
        "mediaPorts = 5000-5010",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{printed}");
    }
    let second = callrec(&["check", &folder.file("again", &first.stdout)]);
    assert_eq!(second.stdout, first.stdout);
    let defaults = callrec(&["check", &folder.file("empty", b"")]);
    let defaults = String::from_utf8(defaults.stdout).unwrap();
    let keys = "enabled = 1,recordType = local,voiceCodec = PCMU,fileSizeLimit = 0,coverOlderRecordings = 0,\
                recordRtpHeader = 1,pauseMode = skip,usbMount = auto,usbRequireMount = 1,usbReserve = 1,\
                serverAddr = 0.0.0.0,serverPort = 10000,serverFallback = none,messageEnd = none,deviceMac = auto,\
                controlSocket = /var/run/callrec.sock,mediaAddr = 127.0.0.1,mediaPorts = 41000-41199,maxRecordings = 4,\
                maxMinutes = 0,idleMinutes = 60,tapInterface = none,stickPlayer = 1";
    let sharing =
        "fspEnabled = 0,fspAddr = 0.0.0.0,fspPort = 9531,fspPasswordFile = /etc/callrec.fsp,fspMaxPayload = 1460,\
                   fspRoot = recordings,p2pServer = none,p2pPort = 7042";
    let sharing = sharing.split(',').filter(|_| cfg!(feature = "fsp"));
    let intercom = "intercomRole = none,intercomAddr = 0.0.0.0,intercomPort = 7895,boxAddr = none,boxPort = 7891,\
                    boxTokenFile = /etc/callrec.token,streamPort = 954,boxStreamPort = 954,centralPort = 7894,\
                    intercomKeep = 3,intercomKeepTimeout = 10,intercomRingTimeout = 65,intercomMaxCall = 300,\
                    intercomEarlyVideo = 1,intercomOpenEarly = 0,intercomRecord = 1,intercomState = /var/lib/callrec";
    let intercom = intercom.split(',').filter(|_| cfg!(feature = "intercom"));
    let cloud = "cloudServer = none,cloudRelay = none,cloudTokenFile = none,cloudCalls = none,cloudCa = auto,\
                 cloudRingTimeout = 45,cloudTransport = none,cloudInitFile = none,cloudAllowPlainHttp = 0";
    let cloud = cloud.split(',').filter(|_| cfg!(feature = "cloud"));
    assert_eq!(
        defaults.lines().collect::<Vec<_>>(),
        keys.split(',')
            .chain(sharing)
            .chain(intercom)
            .chain(cloud)
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_bad_configuration_is_status_2_and_names_file_line_and_key() {
    let folder = Folder::new();
    for (text, line, key) in [
        ("enabled = 2", "1", "enabled"),
        ("\n# x\nvoicecodec = PCMU", "3", "voicecodec"),
        ("voiceCodec = G723", "1", "voiceCodec"),
        ("usbReserve = 1\nfileSizeLimit = 8MB", "2", "fileSizeLimit"),
        ("fileSizeLimit = 99999999999999999999", "1", "fileSizeLimit"),
        ("mediaPorts = 41000", "1", "mediaPorts"),
        ("mediaPorts = 0-10", "1", "mediaPorts"),
        ("mediaAddr = localhost", "1", "mediaAddr"),
        ("maxRecordings = 0", "1", "maxRecordings"),
        ("controlSocket = callrec.sock", "1", "controlSocket"),
        ("enabled = 1\nenabled = 1", "2", "enabled"),
        ("pauseMode = ", "1", "pauseMode"),
    ] {
        let path = folder.file("conf", text.as_bytes());
        for output in [callrec(&["check", &path]), callrec(&["run", "-c", &path])] {
            assert_fails(&output, 2, &[&path, &format!("line {line}"), key]);
            assert!(output.stdout.is_empty());
        }
    }
    let long = format!("controlSocket = /{}", "x".repeat(200));
    assert_fails(
        &callrec(&["check", &folder.file("conf", long.as_bytes())]),
        2,
        &["line 1", "controlSocket"],
    );
    assert_fails(
        &callrec(&["check", &folder.file("conf", b"enabled = 1\n\xFF\xFE")]),
        2,
        &["conf"],
    );
    assert_fails(
        &callrec(&["check", "/no/such/file"]),
        2,
        &["/no/such/file", "No such file"],
    );
    let nowhere = folder.file("conf", b"controlSocket = /no/such/folder/s\n");
    assert_fails(
        &callrec(&["run", "-c", &nowhere]),
        1,
        &["/no/such/folder/s", "No such file"],
    );
}

#[test]
fn ctl_prints_each_answer_and_fails_with_the_last() {
    let phone = Phone::new("");
    let socket = phone.socket().to_str().unwrap().to_owned();
    let ctl = |messages: &[&str]| callrec(&[&["ctl", "-s", &socket], messages].concat());
    let done = ctl(&[
        "cmd=RecordStartRequest&legs=1",
        "RecordStatusRequest",
        "cmd=StatsRequest",
    ]);
    assert!(done.status.success(), "{}", stderr_of(&done));
    let text = String::from_utf8(done.stdout).unwrap();
    let commands: Vec<&str> = text
        .lines()
        .map(|line| line.split('&').next().unwrap())
        .collect();
    let expected = [
        "cmd=RecordStartResponse",
        "cmd=RecordStatus",
        "cmd=RecordStatusResponse",
        "cmd=StatsResponse",
    ];
    assert_eq!(commands, expected);
    let failed = ctl(&["cmd=RecordStopRequest&id=1"]);
    assert!(String::from_utf8_lossy(&failed.stdout).contains("reason=unknown-id"));
    assert_fails(&failed, 1, &["unknown-id", &socket]);
    assert_fails(&ctl(&[""]), 1, &["bad-request"]);
    assert_fails(
        &ctl(&[&format!("cmd=A&b={}", "x".repeat(5000))]),
        1,
        &["bad-request"],
    );
    assert_fails(&ctl(&["cmd=A\ncmd=B"]), 2, &["line"]);
    assert_fails(
        &callrec(&["ctl", "-s", "/no/such/socket", "StatsRequest"]),
        1,
        &["/no/such/socket"],
    );
    assert_fails(
        &callrec(&["watch", "-s", "/no/such/socket"]),
        1,
        &["/no/such/socket"],
    );
}

#[test]
fn watch_prints_events_at_once_and_ends_with_the_daemon() {
    let mut phone = Phone::new("");
    let out = phone.path("out");
    let mut watch = crate::common::command(env!("CARGO_BIN_EXE_callrec"))
        .args(["watch", "-s", phone.socket().to_str().unwrap()])
        .stdout(fs::File::create(&out).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = || fs::read_to_string(&out).unwrap().lines().count();
    wait_for("what is when it subscribes", || lines() > 0);
    phone.stop(&phone.record("").id());
    let last_stopped = || {
        fs::read_to_string(&out)
            .unwrap()
            .lines()
            .last()
            .is_some_and(|line| line.contains("=stopped"))
    };
    wait_for("all events of the last call", last_stopped);
    let text = fs::read_to_string(&out).unwrap();
    let mut printed = text.lines();
    let first = printed.next().unwrap();
    assert!(first.starts_with("cmd=StickEvent&state=mounted&") && first.ends_with("&now=1"));
    assert!(printed.all(|line| line.starts_with("cmd=RecordEvent&id=")));
    phone.end();
    let mut status = None;
    wait_for("its end", || {
        status = watch.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(
        status.unwrap().code(),
        Some(1),
        "the daemon ended, it did not"
    );
}
