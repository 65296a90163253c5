//! The keys, as they are read, printed and refused.

use super::*;

const ALL: &str = "boxId = box-1\nroomId = 2-1-201\nhomeAddr = 192.168.1.22\n\
    communityAddr = 11.0.1.22\nfamilyPort = 17891\ncallPort = 17892\nstreamPort = 8954\ntryPage = 1\n\
    joinPolicy = open\nrejectPolicy = household\ndoorPolicy = ringing\nopenEnds = 2\n\
    noAnswerTo = 9-1-1\nkeep = 1\nkeepTimeout = 4\nringTimeout = 30\nconnectTimeout = 5\n\
    joinTimeout = 2\nmaxCall = 0\ncentralStream = 11.0.0.1:1935\n\
    propertyServer = property.example:80\nfirewall = install\nstateDir = /tmp/box\n\
    controlSocket = /tmp/box.sock\ncommunityPrefix = 11.0.0.0/16\n\
    communityPrefix = 10.9.0.0/16\nneighbour = 2-1-202 11.0.1.23\n\
    neighbour = 9-1-1 11.0.11.1:7895\nforward = 7894 11.0.0.1:1935\n\
    forward = 7895 11.0.0.1:8088\n";

/// What is printed, but for the keys of a feature (`cloud`).
fn printed(settings: &BoxSettings) -> String {
    let text = settings.to_string();
    let lines = text.lines().filter(|line| !line.starts_with("cloud"));
    lines.map(|line| format!("{line}\n")).collect()
}

fn message(text: &str) -> String {
    BoxSettings::parse(text).unwrap_err().to_string()
}

#[test]
fn what_is_read_is_printed() {
    let settings = BoxSettings::parse(ALL).unwrap();
    assert_eq!(printed(&settings), ALL);
    assert_eq!(settings.neighbours[0].port, None);
    assert_eq!(settings.neighbours[1].port, Some(7895));
    assert!(settings.missing_address(ALL).is_none());
    assert_eq!(settings.warnings().count(), 2);
    let comments = "# a box\n\n  roomId=2-1-201   # ours\r\n";
    assert_eq!(BoxSettings::parse(comments).unwrap().room_id, "2-1-201");
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let defaults = BoxSettings::parse("").unwrap();
    assert_eq!(defaults, BoxSettings::default());
    assert_eq!(
        BoxSettings::parse(&defaults.to_string()),
        Ok(defaults.clone())
    );
    let missing = |text: &str| {
        let settings = BoxSettings::parse(text).unwrap();
        settings.missing_address(text).unwrap().to_string()
    };
    assert!(missing("").starts_with("line 1: homeAddr must be set: add a line 'homeAddr = "));
    let home = missing("# mine\nhomeAddr = 10.0.0.1");
    assert!(
        home.starts_with("line 2: communityAddr must be set: "),
        "{home}"
    );
    assert_eq!(defaults.warnings().count(), 0);
    let expected = "boxId = none,roomId = none,homeAddr = none,communityAddr = none,\
        familyPort = 7891,callPort = 7892,streamPort = 954,tryPage = 0,joinPolicy = token,\
        rejectPolicy = panel,doorPolicy = talk,openEnds = 0,noAnswerTo = none,keep = 3,\
        keepTimeout = 10,ringTimeout = 60,connectTimeout = 10,joinTimeout = 5,maxCall = 300,\
        centralStream = none,propertyServer = none,firewall = none,\
        stateDir = /var/lib/callrec-box,controlSocket = /var/run/callrec-box.sock,\
        communityPrefix = 11.0.0.0/8";
    let printed = printed(&defaults);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines, expected.split(',').collect::<Vec<_>>());
    let property = BoxSettings::parse("propertyServer = 11.0.0.1").unwrap();
    assert_eq!(property.property_server.unwrap().port, 8088);
}

#[test]
fn errors_name_line_and_key_and_what_would_be_right() {
    for (text, expected) in [
        ("\nroomid = x", "line 2: roomid is an unknown key"),
        ("keep = 1\nkeep = 2", "line 2: keep is set already on line 1"),
        ("keep", "line 1: expected 'key = value', found 'keep'"),
        ("keep = 0", "line 1: keep must be a number from 1 to 86400, not '0'"),
        ("callPort = 70000", "line 1: callPort must be a number from 1 to 65535, not '70000'"),
        ("joinPolicy = all", "line 1: joinPolicy must be token or open, not 'all'"),
        ("rejectPolicy = x", "line 1: rejectPolicy must be panel or household or device, not 'x'"),
        ("doorPolicy =", "line 1: doorPolicy must be talk or ringing, not ''"),
        ("firewall = 1", "line 1: firewall must be none or install, not '1'"),
        ("homeAddr = ::1", "line 1: homeAddr must be the IPv4 address of a host, not '::1'"),
        ("homeAddr = 0.0.0.0", "line 1: homeAddr must be the IPv4 address of a host, not '0.0.0.0'"),
        ("stateDir = here", "line 1: stateDir must be an absolute path, not 'here'"),
        ("communityPrefix = 11.0.0.1/8", "line 1: communityPrefix must begin with the network's own address: 11.0.0.0/8, not '11.0.0.1/8'"),
        ("neighbour = 2-1-202", "line 1: neighbour must be ID ADDRESS[:PORT], not '2-1-202'"),
        ("neighbour = a 11.0.0.2\nneighbour = a 11.0.0.3", "line 2: neighbour 'a' is given an address already"),
        ("forward = 7894 11.0.0.1", "line 1: forward must be PORT ADDRESS:PORT with an IPv4 address, as 7894 11.0.0.1:1935, not '7894 11.0.0.1'"),
        ("forward = 0 11.0.0.1:1", "line 1: forward must be PORT ADDRESS:PORT with an IPv4 address, as 7894 11.0.0.1:1935, not '0 11.0.0.1:1'"),
        ("forward = 1 11.0.0.1:1\nforward = 1 11.0.0.2:1", "line 2: forward port 1 is forwarded already"),
        ("forward = 1 11.0.0.1:1\n# x\nforward = 954 11.0.0.1:1", "line 3: forward must not be for port 954, which is streamPort"),
        ("communityAddr = 11.0.0.5\nforward = 1 11.0.0.5:1", "line 2: forward must not lead to the box's own address 11.0.0.5"),
        ("homeAddr = 10.0.0.1\ncommunityAddr = 10.0.0.1", "line 2: communityAddr must not be homeAddr: each network needs an address of its own"),
        ("centralStream = 11.0.0.1:1935", "line 1: centralStream needs a line 'forward = PORT 11.0.0.1:1935', so that screens can reach it"),
        ("\nnoAnswerTo = guard", "line 2: noAnswerTo needs a line 'neighbour = guard ADDRESS', which says where guard is"),
        ("neighbour = 2-1-202 fd00::1", "line 1: neighbour must be the IPv4 address of a host, not 'fd00::1'"),
        ("neighbour = 2-1-202 [fd00::1]:7895", "line 1: neighbour must be the IPv4 address of a host, not '[fd00::1]:7895'"),
        ("communityPrefix = fd00::/8", "line 1: communityPrefix must be an IPv4 network as 11.0.0.0/8, not 'fd00::/8'"),
        ("centralStream = [fd00::1]:1935", "line 1: centralStream must be the IPv4 address of a host, not '[fd00::1]:1935'"),
        ("propertyServer = fd00::1", "line 1: propertyServer must be HOST[:PORT], a name or an IPv4 address, not 'fd00::1'"),
        ("centralStream = central:1935", "line 1: centralStream must be the IPv4 address of a host, not 'central'"),
        ("keep = 5\nkeepTimeout = 5", "line 2: keepTimeout must be longer than keep, which is 5 s"),
        ("callPort = 954", "line 1: callPort must not be streamPort"),
        ("propertyServer = http://x", "line 1: propertyServer must be a number from 1 to 65535, not '//x'"),
    ] {
        assert_eq!(message(text), expected);
    }
    let long = format!("boxId = {}", "x".repeat(65));
    assert!(message(&long).starts_with("line 1: boxId must be 1 to 64 printable"));
    let many = "communityPrefix = 10.0.0.0/8\n".repeat(257);
    assert_eq!(
        message(&many),
        "line 257: communityPrefix may stand on 256 lines"
    );
}
