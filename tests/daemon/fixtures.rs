//! Real tokens, made by the gem or by hand: each is answered as its case says, through the socket, by a daemon that is
//! configured from the cases.

use jwtkeeper_testkit::daemons::Setup;
use jwtkeeper_testkit::daemons::cases::{cases, configure, wrong};

#[test]
fn every_case_is_answered_as_it_says() {
    let cases = cases();
    let realm = |number: usize| format!("case-{number}");
    let mut setup = Setup::bare();
    for (number, case) in cases.iter().enumerate() {
        setup = configure(setup, &realm(number), &case["config"]);
    }
    let daemon = setup.start();
    let wrong: Vec<_> = cases
        .iter()
        .enumerate()
        .filter_map(|(number, case)| wrong(&daemon, &realm(number), case))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
