//! Peers of the HTTP server as they should not be: none of them harms another, nor the API.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use jwtkeeper_client::Issue;

use jwtkeeper_testkit::daemons::http::{At, start, start_tcp};
use jwtkeeper_testkit::daemons::{Setup, pace, until};

/// Peers that the server has room for.
const PEERS: usize = 16;

#[test]
fn methods_and_paths() {
    let (_daemon, at) = start(Setup::new());
    for path in ["/metrics", "/livez", "/readyz", "/livez?verbose"] {
        let got = at.get(path);
        assert_eq!(got.status, 200, "{path}");
        let head = at.ask("HEAD", path, "");
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        assert!(head.head.contains("content-length: "), "{}", head.head);
        assert!(got.head.contains("cache-control: no-store"), "{}", got.head);
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            let refused = at.ask(method, path, "");
            assert_eq!(refused.status, 405, "{method}");
            assert!(refused.head.contains("allow: GET, HEAD"), "{}", refused.head);
        }
    }
    for path in [
        "/",
        "/metrics/",
        "/Metrics",
        "/../metrics",
        "/%6detrics",
        "/favicon.ico",
    ] {
        assert_eq!(at.get(path).status, 404, "{path}");
    }
    let with_body = "Content-Length: 5\r\n\r\nhello";
    assert_eq!(at.ask("GET", "/livez", with_body).status, 400);
}

#[test]
fn garbage() {
    let (daemon, at) = start_tcp(Setup::new());
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000));
    let heads = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(1000));
    let endless = "GET / HTTP/1.1\r\nA: ".to_owned() + &"b".repeat(1_000_000);
    let all: [&[u8]; 9] = [
        b"\0\0\0\0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        long.as_bytes(),
        heads.as_bytes(),
        endless.as_bytes(),
    ];
    for bytes in all {
        let answer = at.say(bytes);
        let shown = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || shown.starts_with("HTTP/1.1 4"), "{shown}");
        assert_eq!(at.get("/livez").status, 200);
    }
    daemon.client().issue(Issue::new()).unwrap();
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

/// Peers that connect and say nothing, in numbers: a scrape is answered all the same, and so are requests.
#[test]
fn silent_peers() {
    let (daemon, at) = start(Setup::new());
    let silent: Vec<_> = (0..200).map(|_| at.connect()).collect();
    let began = Instant::now();
    assert_eq!(at.get("/metrics").status, 200);
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "it waited for others to give up"
    );
    daemon.client().issue(Issue::new()).unwrap();
    let open = || std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    until("few of them are there", || open() < 60);
    drop(silent);
}

/// Peers that send their head byte by byte are cut off, and meanwhile others are answered.
#[test]
fn dripping_peers() {
    let (daemon, at) = start_tcp(Setup::new());
    let mut dripping: Vec<_> = (0..PEERS).map(|_| at.connect()).collect();
    let began = Instant::now();
    let mut cut = 0;
    until("all are cut off", || {
        dripping.retain_mut(|peer| {
            let open = peer.write_all(b"G").is_ok();
            cut += usize::from(!open);
            open
        });
        pace(Duration::from_millis(50));
        assert_eq!(at.get("/livez").status, 200);
        dripping.is_empty()
    });
    assert_eq!(cut, PEERS);
    println!("dripping peers were gone after {:?}", began.elapsed());
    daemon.client().issue(Issue::new()).unwrap();
}

/// A peer that asks and does not read.
#[test]
fn a_peer_that_does_not_read() {
    let (daemon, at) = start(Setup::new());
    let mut peers: Vec<_> = (0..PEERS).map(|_| at.connect()).collect();
    for peer in &mut peers {
        peer.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    assert_eq!(at.get("/readyz").status, 200);
    daemon.client().issue(Issue::new()).unwrap();
}

/// One request a connection: who sends more at once gets one answer.
#[test]
fn requests_in_a_row() {
    let (_daemon, at) = start(Setup::new());
    let answer = at.say(&b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".repeat(3));
    let text = String::from_utf8(answer).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200").count(), 1, "{text}");
    assert!(text.contains("connection: close"), "{text}");
}

/// A storm of scrapes costs requests nothing but time, and none of them fails.
#[test]
fn a_storm_of_scrapes() {
    let (daemon, at) = start(Setup::new());
    let client = daemon.client();
    let minted = client.issue(Issue::new()).unwrap();
    let scrape = |_: u64| {
        let mut stream = at.connect();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut some = [0; 15];
        let _ = stream.read(&mut some); // another may have taken its place
    };
    jwtkeeper_testkit::daemons::meanwhile(scrape, || {
        for _ in 0..500 {
            assert!(client.validate(minted.token()).unwrap().is_valid());
        }
    });
    let At::Unix(path) = &at else { panic!("not a path") };
    assert!(path.exists());
    assert_eq!(at.get("/livez").status, 200);
}
