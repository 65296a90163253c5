use super::*;

const TOKEN: &str = "1003469_3222536192_1493481600_5574318032e39b62063d98e6bff50069";

/// A URL in which `T` stands for a good token.
fn parse(text: &str) -> Result<Purpose, BadUrl> {
    let text = text.replace('T', TOKEN);
    let text = text.replace(&format!("protocol{TOKEN}ype"), "protocolType");
    let text = text.replace(&format!("connect{TOKEN}ype"), "connectType");
    TopvdnUrl::parse(text.as_bytes()).map(|url| url.purpose)
}

const IP: Ipv4Addr = Ipv4Addr::new(203, 195, 157, 248);

#[test]
fn each_form_is_taken_in_any_order() {
    let recording = Purpose::Recording {
        begin: 5,
        end: 9,
        play: 0,
    };
    let push = |relay| Purpose::Push { relay, mode: 2 };
    for (text, purpose) in [
        (
            "topvdn://203.195.157.248:80?protocolType=1&token=T",
            Purpose::Call(IP, 80),
        ),
        (
            "TOPVDN://203.195.157.248:80?token=T&protocolType=1&new=x",
            Purpose::Call(IP, 80),
        ),
        (
            "topvdn://203.195.157.248:80?protocolType=2&connectType=2 &token=T&cid=7",
            Purpose::Pull(IP, 80),
        ),
        (
            "topvdn://0.0.0.0:0?protocolType=2&connectType=1&token=T&mode=2",
            push((Ipv4Addr::UNSPECIFIED, 0)),
        ),
        (
            "topvdn://203.195.157.248:1935?protocolType=2&mode=2&connectType=1&token=T",
            push((IP, 1935)),
        ),
        (
            "topvdn://public.topvdn.cn?protocolType=3&token=T&begin=5&end=9&play=0",
            recording,
        ),
        (
            "topvdn://topvdn.public.cn?protocolType=3&token=T&begin=5&end=9&play=0&cid=1",
            recording,
        ),
    ] {
        // The helper's letter must not be in the scheme.
        let found = match text.strip_prefix("TOPVDN") {
            Some(rest) => {
                let rest = rest.replace("token=T", &format!("token={TOKEN}"));
                let text = format!("TOPVDN{rest}");
                TopvdnUrl::parse(text.as_bytes()).map(|url| url.purpose)
            }
            None => parse(text),
        };
        assert_eq!(found, Ok(purpose), "{text}");
    }
}

#[test]
fn what_is_emitted_is_parsed_again() {
    for purpose in [
        Purpose::Call(IP, 80),
        Purpose::Pull(IP, 65535),
        Purpose::Push {
            relay: (Ipv4Addr::UNSPECIFIED, 0),
            mode: 5,
        },
        Purpose::Recording {
            begin: 0,
            end: u32::MAX,
            play: 1,
        },
    ] {
        let text = emit(purpose, TOKEN).unwrap();
        let url = TopvdnUrl::parse(&text).unwrap();
        assert_eq!((url.purpose, url.token.cid), (purpose, 1_003_469));
    }
    let source = format!("topvdn://203.195.157.248:80?protocolType=1&token={TOKEN}");
    assert_eq!(
        emit(Purpose::Call(IP, 80), TOKEN).unwrap(),
        source.as_bytes()
    );
    assert_eq!(emit(Purpose::Call(IP, 80), &"x".repeat(256)), None);
}

#[test]
fn bad_urls_are_refused() {
    for text in [
        "",
        "topvdn:/",
        "http://203.195.157.248:80?protocolType=1&token=T",
        "topvdn://203.195.157.248:80",
        "topvdn://203.195.157.248?protocolType=1&token=T",
        "topvdn://203.195.157.248:0?protocolType=1&token=T",
        "topvdn://203.195.157.248:65536?protocolType=1&token=T",
        "topvdn://203.195.157.248:080?protocolType=1&token=T",
        "topvdn://0.0.0.0:80?protocolType=1&token=T",
        "topvdn://example.org:80?protocolType=1&token=T",
        "topvdn://public.topvdn.cn:80?protocolType=1&token=T",
        "topvdn://203.195.157.248:80?protocolType=1&token=T&",
        "topvdn://203.195.157.248:80?protocolType=1&&token=T",
        "topvdn://203.195.157.248:80?protocolType=1&token=T&x=",
        "topvdn://203.195.157.248:80?protocolType=1&token=T&x",
        "topvdn://203.195.157.248:80?protocolType=1&token=",
        "topvdn://203.195.157.248:80?protocolType=1",
        "topvdn://203.195.157.248:80?token=T",
        "topvdn://203.195.157.248:80?protocolType=1&protocolType=1&token=T",
        "topvdn://203.195.157.248:80?protocolType=1&token=T&token=T",
        "topvdn://203.195.157.248:80?protocolType=1&connectType=1&token=T",
        "topvdn://203.195.157.248:80?protocolType=1&mode=2&token=T",
        "topvdn://203.195.157.248:80?protocolType=4&token=T",
        "topvdn://203.195.157.248:80?protocolType=1&token=x_1_2_5574318032e39b62063d98e6bff50069",
        "topvdn://203.195.157.248:80?protocolType=1&token=1_1_2_5574318032E39B62063D98E6BFF50069",
        "topvdn://203.195.157.248:80?protocolType=2&token=T",
        "topvdn://203.195.157.248:80?protocolType=2&connectType=3&token=T",
        "topvdn://203.195.157.248:80?protocolType=2&connectType=1&token=T",
        "topvdn://203.195.157.248:80?protocolType=2&connectType=1&mode=6&token=T",
        "topvdn://203.195.157.248:80?protocolType=2&connectType=2&mode=2&token=T",
        "topvdn://0.0.0.0:0?protocolType=2&connectType=2&token=T",
        "topvdn://0.0.0.0:5?protocolType=2&connectType=1&mode=2&token=T",
        "topvdn://public.topvdn.cn?protocolType=3&token=T&begin=5&end=9",
        "topvdn://public.topvdn.cn?protocolType=3&token=T&begin=9&end=5&play=0",
        "topvdn://public.topvdn.cn:80?protocolType=3&token=T&begin=5&end=9&play=0",
        "topvdn://203.195.157.248?protocolType=3&token=T&begin=5&end=9&play=0",
        "topvdn://203.195.157.248:80?protocolType=1&token=T&cid=x",
        "topvdn://203.195.157.248:80?protocolType=1&token=T&a=b c",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    let long = format!(
        "topvdn://203.195.157.248:80?protocolType=1&token=T&x={}",
        "x".repeat(200)
    );
    assert!(parse(&long).is_err());
}
