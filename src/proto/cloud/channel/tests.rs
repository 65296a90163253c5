use super::*;

fn at(millis: u64) -> Instant {
    Instant::default() + Duration::from_millis(millis)
}

fn outputs(channel: &mut Channel) -> Vec<ChannelOutput> {
    std::iter::from_fn(|| channel.poll_output()).collect()
}

fn say(channel: &mut Channel, now: Instant, text: &str) -> Vec<ChannelOutput> {
    let mut bytes = text.as_bytes();
    let mut all = vec![];
    while !bytes.is_empty() {
        let used = channel.handle_bytes(now, bytes);
        bytes = &bytes[used..];
        all.extend(outputs(channel));
    }
    all
}

fn open(now: Instant) -> Channel {
    let mut channel = Channel::new(now);
    channel.handle_timeout(now, 0);
    channel.handle_answered(now, 200, Some(1000), 0);
    say(&mut channel, now, "data: {\"Name\":\"Online\"}\n\n");
    outputs(&mut channel);
    channel
}

#[test]
fn a_lost_channel_comes_back_with_longer_pauses() {
    let mut channel = open(at(0));
    assert_eq!(channel.unix_seconds(at(2500)), Some(1002));
    let mut now = at(0);
    channel.handle_lost(now, 20);
    let lost = ChannelOutput::State(CloudState::Lost);
    assert_eq!(outputs(&mut channel), [lost], "told once");
    for pause in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(
            channel.next_deadline(),
            now + Duration::from_millis(pause * 1000)
        );
        now = channel.next_deadline();
        channel.handle_timeout(now, 20);
        assert_eq!(outputs(&mut channel), [ChannelOutput::Open]);
        channel.handle_lost(now, 20);
        assert_eq!(outputs(&mut channel), []);
    }
    // A jitter of 20 % both ways.
    for (jitter, millis) in [(0, 800), (40, 1200), (41, 800)] {
        let mut channel = open(at(0));
        channel.handle_lost(at(0), jitter);
        assert_eq!(channel.next_deadline(), at(millis));
    }
}

#[test]
fn a_silent_channel_is_lost() {
    let mut channel = open(at(0));
    assert_eq!(channel.next_deadline(), at(40_000));
    say(&mut channel, at(15_000), ": still here\n");
    assert_eq!(channel.next_deadline(), at(55_000));
    say(&mut channel, at(30_000), "no line");
    channel.handle_timeout(at(54_999), 0);
    assert_eq!(outputs(&mut channel), []);
    channel.handle_timeout(at(55_000), 0);
    let lost = ChannelOutput::State(CloudState::Lost);
    assert_eq!(outputs(&mut channel), [ChannelOutput::Close, lost]);
}

#[test]
fn a_refusal_and_a_newer_channel_are_told() {
    let mut channel = Channel::new(at(0));
    channel.handle_timeout(at(0), 0);
    channel.handle_answered(at(0), 401, None, 0);
    let refused = ChannelOutput::State(CloudState::Refused);
    assert_eq!(
        outputs(&mut channel),
        [ChannelOutput::Open, ChannelOutput::Close, refused]
    );
    let mut channel = open(at(0));
    let told = say(
        &mut channel,
        at(0),
        "data: {\"Name\":\"OffLine\",\"Message\":\"replaced\"}\n\n",
    );
    let replaced = ChannelOutput::State(CloudState::Replaced);
    assert_eq!(told, [ChannelOutput::Close, replaced]);
    assert_eq!(channel.next_deadline(), at(60_000));
}

#[test]
fn a_message_is_acknowledged_each_time_and_taken_once() {
    let mut channel = open(at(0));
    let event =
        "id: 7\ndata: {\"Name\":\"PopMessage\",\"Message\":\"aGk=\",\"SrcID\":9,\"Flag\":2}\n\n";
    let message = ChannelOutput::Message(9, Text::from_slice(b"hi").unwrap());
    assert_eq!(
        say(&mut channel, at(0), event),
        [ChannelOutput::Acknowledge(7), message.clone()]
    );
    assert_eq!(
        say(&mut channel, at(0), event),
        [ChannelOutput::Acknowledge(7)]
    );
    let once = event.replace("\"Flag\":2", "\"Flag\":3");
    assert_eq!(say(&mut channel, at(0), &once), [message]);
    for odd in [
        "data: {\"Name\":\"PopMessage\",\"Message\":\"!\"}\n\n",
        "data: {}\n\n",
        "data: x\n\n",
    ] {
        assert_eq!(say(&mut channel, at(0), odd), [], "{odd}");
    }
}
