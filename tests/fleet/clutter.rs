//! What else lies in a Redis, and what else is done to it: none of that is in the way.

use std::time::Instant;

use jwtkeeper_client::State;

use crate::hosts::{Holder, at, entry, host, is_revoked, is_settled, issue, revoke, revoked_at};
use crate::stage::{Fault, World};
use jwtkeeper_testkit::daemons::{pace, until};
use jwtkeeper_testkit::servers::Server;

/// Keys of somebody else's.
const FOREIGN: usize = 200_000;

#[test]
fn nothing_is_lost_when_redis_forgets_the_scripts() {
    let fault = Fault {
        name: "SCRIPT FLUSH",
        loses: false,
    };
    fault.endured(World::simple, |world, load, random| {
        let before = load.gone().len();
        let refused = |load: &crate::load::Load| load.gone().iter().filter(|gone| !gone.acknowledged).count();
        let refused_before = refused(load);
        for _ in 0..100 {
            world.shared.ask::<()>(&["SCRIPT", "FLUSH"]);
            pace(std::time::Duration::from_millis(random.below(20)));
        }
        assert!(load.gone().len() > before, "nothing was revoked meanwhile");
        assert_eq!(refused(load), refused_before, "some were refused");
    });
}

#[test]
fn names_that_are_none_of_ours_are_left_alone() {
    let server = Server::start();
    let odd: [&[u8]; 6] = [
        b"JWTKeeper:\xff\xfe",
        b"JWTKeeper:",
        b"JWTKeeper:with a space",
        b"JWTKeeper:~x:y",
        b"JWTKeeper:~t:~!",
        b"JWTKeeper:\r\n*1\r\n",
    ];
    let put = || {
        let mut connection = server.client().get_connection().unwrap();
        for name in odd {
            redis::cmd("SET").arg(name).arg("hard").exec(&mut connection).unwrap();
        }
    };
    put();
    let [one, other] = [(); 2].map(|()| host(at(&server.url())));
    put();
    let (gone, good) = (issue(&one.client()), issue(&one.client()));
    revoke(&one.client(), gone.token());
    put();
    revoked_at(&other, &gone.jti);
    for host in [&one, &other] {
        assert!(is_revoked(&host.client(), gone.token()));
        assert!(host.client().validate(good.token()).unwrap().is_valid());
        until("it is settled", || is_settled(host));
        let store = host.health()["store"].clone();
        assert_eq!(store["unknown"], 0, "{store}");
        // A name with a space is spelled otherwise.
        assert_eq!(host.client().status("with a space").unwrap().state, State::None);
    }
    let mut connection = server.client().get_connection().unwrap();
    for name in odd {
        let value: Option<String> = redis::cmd("GET").arg(name).query(&mut connection).unwrap();
        assert_eq!(value.as_deref(), Some("hard"), "{name:?} was touched");
    }
}

#[test]
fn a_host_finds_its_entries_among_many_of_others() {
    let server = Server::start();
    let mut connection = server.client().get_connection().unwrap();
    for part in 0..FOREIGN / 1000 {
        let mut command = redis::cmd("MSET");
        for number in part * 1000..(part + 1) * 1000 {
            command.arg(format!("session:{number}")).arg("x");
        }
        command.exec(&mut connection).unwrap();
    }
    let begun = Instant::now();
    let empty = host(at(&server.url()));
    println!("ready in {:?} among {FOREIGN} keys of others", begun.elapsed());
    let minted = issue(&empty.client());
    revoke(&empty.client(), minted.token());
    let begun = Instant::now();
    let other = host(at(&server.url()));
    println!("and again in {:?}", begun.elapsed());
    assert!(is_revoked(&other.client(), minted.token()));
    // What is lost among them is seen and put back.
    server.ask::<()>(&["FLUSHALL"]);
    until("it is put back", || server.not_hard(&[entry(&minted.jti)]).is_empty());
}
