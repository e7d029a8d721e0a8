//! The blocking client across fork, as preforking servers use it: made and used before the fork, by many threads,
//! and used on by parent and children at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jwtkeeper_client::blocking::Client;
use jwtkeeper_sys::testing::{Child, fork_run};
use jwtkeeper_testkit::fake::Fake;
use support::driver::subject;

const CHILDREN: u8 = 8;
const CALLS: usize = 2_000;

/// Each process names itself in every subject; a connection that carries two names is one too many.
fn daemon(crossed: &Arc<AtomicUsize>, served: &Arc<AtomicUsize>) -> Fake {
    let (crossed, served) = (Arc::clone(crossed), Arc::clone(served));
    Fake::start(move |_, mut peer| {
        peer.greet();
        let mut owner: Option<String> = None;
        while let Some(asked) = peer.asked() {
            let token = asked.token();
            let process = token.split('/').next().unwrap().to_owned();
            if owner.get_or_insert_with(|| process.clone()) != &process {
                crossed.fetch_add(1, Ordering::SeqCst);
            }
            served.fetch_add(1, Ordering::SeqCst);
            peer.reply_to(&asked);
        }
    })
}

/// Calls with subjects of this process's own; counts those that went wrong.
fn work(client: &Client, calls: usize) -> usize {
    let process = std::process::id();
    let wrong = |call: &usize| {
        let mine = format!("{process}/{call}");
        !matches!(client.validate(mine.as_str()), Ok(verdict) if subject(&verdict) == mine)
    };
    (0..calls).filter(wrong).count()
}

fn ends_well(child: Child) {
    let status = child.wait(Duration::from_secs(60)).expect("a child ends by itself");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn children_connect_anew_while_the_parent_goes_on() {
    let (crossed, served) = (Arc::default(), Arc::default());
    let fake = daemon(&crossed, &served);
    let client = Client::new(fake.config().with_deadline(Duration::from_secs(30)));
    assert_eq!(work(&client, 10), 0);

    // These threads are at the client's pool at the moment of each fork.
    let done = AtomicBool::new(false);
    let parent = Mutex::new((0, 0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let wrong = work(&client, 10);
                    let mut counts = parent.lock().unwrap();
                    counts.0 += wrong;
                    counts.1 += 10;
                }
            });
        }
        let children: Vec<Child> = (0..CHILDREN)
            .map(|_| fork_run(|| u8::from(work(&client, CALLS) != 0)).unwrap())
            .collect();
        children.into_iter().for_each(ends_well);
        done.store(true, Ordering::SeqCst);
    });

    let (wrong, calls) = *parent.lock().unwrap();
    assert_eq!(wrong, 0, "of {calls} calls of the parent");
    assert_eq!(work(&client, 10), 0);
    assert_eq!(crossed.load(Ordering::SeqCst), 0, "a connection had two owners");
    assert_eq!(served.load(Ordering::SeqCst), CHILDREN as usize * CALLS + calls + 20);
}

#[test]
fn children_of_children_connect_anew_and_the_parents_connection_lives_on() {
    let (crossed, served) = (Arc::default(), Arc::default());
    let fake = daemon(&crossed, &served);
    let client = Client::new(fake.config());
    assert_eq!(work(&client, 5), 0);
    let before = fake.accepted();

    let child = fork_run(|| {
        let mine = work(&client, 50);
        let below = fork_run(|| u8::from(work(&client, 50) != 0)).unwrap();
        let below = below
            .wait(Duration::from_secs(30))
            .ok()
            .and_then(|status| status.code());
        u8::from(mine + work(&client, 50) != 0 || below != Some(0))
    });
    ends_well(child.unwrap());

    assert_eq!(work(&client, 5), 0);
    assert_eq!(crossed.load(Ordering::SeqCst), 0);
    assert_eq!(
        fake.accepted() - before,
        2,
        "one for each descendant, none for the parent"
    );
}

/// More generations than there are slots for pools: they connect for each call, and are right.
#[test]
fn a_long_line_of_descent() {
    fn descend(client: &Client, generations: u8) -> u8 {
        let wrong = u8::from(work(client, 3) != 0);
        if generations == 0 {
            return wrong;
        }
        let child = fork_run(|| descend(client, generations - 1)).unwrap();
        let below = child
            .wait(Duration::from_secs(30))
            .ok()
            .and_then(|status| status.code());
        wrong + u8::from(below != Some(0))
    }
    let (crossed, served) = (Arc::default(), Arc::default());
    let fake = daemon(&crossed, &served);
    let client = Client::new(fake.config());
    assert_eq!(descend(&client, 20), 0);
    assert_eq!(crossed.load(Ordering::SeqCst), 0);
    assert_eq!(served.load(Ordering::SeqCst), 63);
}
