//! Many threads at once: what was acknowledged is in effect for every validate that starts later, and every token
//! leads to one successor.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use jwtkeeper_core::keeper::{Flag, Revoke};
use jwtkeeper_wire::Cause;
use jwtkeeper_wire::Reason::Revoked;
use serde_json::json;

use jwtkeeper_testkit::world::{Said, VALID, plain, refused};

#[test]
fn parallel_rotations_of_one_token_have_one_successor() {
    let world = plain();
    for _ in 0..200 {
        let old = world.issue(json!({}));
        world.flag(Flag::Jti(&old.jti.to_string()));
        let tokens: HashSet<String> = std::thread::scope(|scope| {
            let rotate = || world.try_rotate(&old.token, None, None).unwrap().ok().unwrap().token;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(rotate)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(tokens.len(), 1);
        assert_eq!(world.say(tokens.iter().next().unwrap()), VALID);
    }
}

#[test]
fn a_validate_that_starts_after_the_acknowledgement_says_revoked() {
    let world = plain();
    for round in 0..200 {
        let token = world.issue(json!({"sub": "u"}));
        let jti = token.jti.to_string();
        let acknowledged = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    loop {
                        let after = acknowledged.load(Ordering::SeqCst);
                        let said = world.say(&token.token);
                        if after {
                            assert_eq!(said, refused(Revoked), "round {round}");
                            return;
                        }
                    }
                });
            }
            scope.spawn(|| {
                // Rotating and flagging go on all the while, and undo nothing.
                while !acknowledged.load(Ordering::SeqCst) {
                    world.flag(Flag::Jti(&jti));
                    let _ = world.try_rotate(&token.token, None, None);
                }
            });
            world.revoke(match round % 3 {
                0 => Revoke::Token {
                    token: token.token.as_bytes(),
                    cookie: None,
                },
                1 => Revoke::Jti(&jti),
                _ => Revoke::Subject("u", jwtkeeper_testkit::world::JUST_NOW),
            });
            acknowledged.store(true, Ordering::SeqCst);
        });
        assert_eq!(world.say(&token.token), refused(Revoked));
    }
}

#[test]
fn a_revocation_racing_a_rotation_leaves_nothing_alive() {
    let world = plain();
    for round in 0..300 {
        let old = world.issue(json!({}));
        let jti = old.jti.to_string();
        let new = std::thread::scope(|scope| {
            let rotating = scope.spawn(|| world.try_rotate(&old.token, None, None).unwrap().ok());
            scope.spawn(|| {
                world.revoke(if round % 2 == 0 {
                    Revoke::Jti(&jti)
                } else {
                    Revoke::Session(&jti)
                })
            });
            rotating.join().unwrap()
        });
        assert_eq!(world.say(&old.token), refused(Revoked));
        if let Some(new) = new {
            assert_eq!(world.say(&new.token), refused(Revoked), "round {round}");
        }
        assert!(!matches!(world.say(&old.token), Said::Valid(Cause::Rotated)));
    }
}
