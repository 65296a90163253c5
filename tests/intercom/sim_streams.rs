//! The made-up sound and picture of `callrec-sim` through the real box: each side hears the other,
//! and the screen sees the door.
#![cfg(all(feature = "box", feature = "sim"))]

use crate::common::home_box::HomeBox;
use crate::common::intercom::Device;

/// The numbers of a line `heard sound_ms=N pictures=N`.
fn heard(device: &mut Device) -> (u64, u64) {
    let line = device.until("heard sound_ms=");
    let (sound, pictures) = line.split_once(" pictures=").unwrap();
    (sound.parse().unwrap(), pictures.parse().unwrap())
}

#[test]
fn a_door_and_a_screen_hear_each_other() {
    let home = HomeBox::new("");
    let token = home.token_file("panel", "1");
    let family = home.family();
    let streams = ["--stream-port", "9540"];
    let screen = [
        "screen",
        "--box",
        &family,
        "--token-file",
        &token,
        "--calls",
        "1",
    ];
    let mut screen = Device::sim(&[&screen[..], &streams].concat());
    screen.until("joined room=2-1-201");
    let call = home.call();
    let door = ["door", "--box", &call, "--seconds", "3"];
    let mut door = Device::sim(&[&door[..], &streams].concat());
    let (sound, pictures) = heard(&mut screen);
    assert!(
        sound >= 500 && pictures >= 10,
        "{sound} ms, {pictures} pictures"
    );
    let (sound, pictures) = heard(&mut door);
    assert!(
        sound >= 500 && pictures == 0,
        "{sound} ms, {pictures} pictures"
    );
    door.succeeds();
    screen.succeeds();
}
