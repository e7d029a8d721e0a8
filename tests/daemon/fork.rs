//! A process that forks with one client, as preforking servers do: each child gets its own right answers.

use std::time::Duration;

use jwtkeeper_client::{Issue, blocking};
use jwtkeeper_sys::testing::fork_run;
use serde_json::json;

use jwtkeeper_testkit::daemons::Setup;

const CHILDREN: usize = 8;
const CALLS: usize = 400;

#[test]
fn eight_children_with_one_client_get_their_own_answers() {
    let daemon = Setup::new().start();
    let client = daemon.client();
    let token = |who: usize| {
        client
            .issue(Issue::new().claims(json!({ "sub": who.to_string() })))
            .unwrap()
    };
    let tokens: Vec<_> = (0..=CHILDREN).map(token).collect(); // and now a connection waits in the pool
    let all_mine = |client: &blocking::Client, who: usize| {
        (0..CALLS).all(|_| {
            let verdict = client.validate(tokens[who].token());
            verdict.is_ok_and(|verdict| {
                verdict.claims().and_then(|claims| claims.get("sub")) == Some(json!(who.to_string()))
            })
        })
    };
    let children: Vec<_> = (0..CHILDREN)
        .map(|who| fork_run(|| u8::from(!all_mine(&client, who))).unwrap())
        .collect();
    assert!(all_mine(&client, CHILDREN), "the parent got another's answer");
    for child in children {
        assert!(child.wait(Duration::from_secs(60)).unwrap().success());
    }
}
