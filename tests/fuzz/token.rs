//! Tokens and requests, as the keeper takes them: verification, and each operation that a message can ask for.

use std::cell::RefCell;

use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keeper::{Before, Flag, Revoke, Verdict};
use jwtkeeper_core::keyring::Effort;
use jwtkeeper_core::types::Millis;
use jwtkeeper_wire::{FlagTarget, Op, Request, RevokeTarget, decode};

use jwtkeeper_testkit::world::keys::Key;
use jwtkeeper_testkit::world::{Builder, Said, World};

/// The denylist grows with each revocation: a world serves this many inputs.
const INPUTS: u32 = 2000;

/// Fixed: tokens in the corpus are signed by it.
const SECRET: &[u8] = b"the secret of the fuzz target, as long as any hash: 0123456789ab";

thread_local! {
    static WORLD: RefCell<(u32, Option<World>)> = const { RefCell::new((0, None)) };
}

fn world() -> World {
    Builder::signing(&Key::secret(Algorithm::HS256, SECRET))
        .retired(&Key::secret(Algorithm::HS512, SECRET))
        .serve()
}

/// The first byte picks what the rest is: a token (and after a line feed its cookie), a header and claims to be signed by
/// the realm's key, claims to be issued, or a request.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    WORLD.with_borrow_mut(|(used, slot)| {
        *used += 1;
        if *used % INPUTS == 0 {
            *slot = None;
        }
        let world = slot.get_or_insert_with(world);
        let text = str::from_utf8(rest).ok();
        match (kind % 4, text) {
            (0, _) => {
                let (token, cookie) = match text.and_then(|text| text.split_once('\n')) {
                    Some((token, cookie)) => (token.as_bytes(), Some(cookie)),
                    None => (rest, None),
                };
                validate(world, token, cookie);
            }
            (1, Some(text)) => {
                let (header, claims) = text.split_once('\n').unwrap_or((r#"{"alg":"HS256"}"#, text));
                let token = world.forge(header, claims);
                validate(world, token.as_bytes(), None);
                if let Ok(Ok(successor)) = world.try_rotate(&token, None, None) {
                    assert!(matches!(world.say_of(&successor), Said::Valid(_)));
                }
            }
            (2, Some(text)) => {
                if let Ok(minted) = world.mint(text, None) {
                    assert!(matches!(world.say_of(&minted), Said::Valid(_)), "{text:?}");
                    assert!(serde_json::from_str::<serde_json::Value>(&minted.claims).is_ok_and(|all| all.is_object()));
                }
            }
            (3, _) => {
                if let Ok(request) = decode::<Request<'_>>(rest) {
                    answer(world, request.op);
                }
            }
            _ => {}
        }
    });
}

fn validate(world: &World, token: &[u8], cookie: Option<&str>) {
    let mut buffer = Vec::new();
    let mut effort = Effort::default();
    let verdict = world
        .keeper
        .validate(&world.served, world.now, token, cookie, &mut buffer, &mut effort);
    if let Verdict::Valid { claims, .. } = verdict {
        assert!(serde_json::from_slice::<serde_json::Value>(claims).is_ok_and(|all| all.is_object()));
    }
}

fn answer(world: &World, op: Op<'_>) {
    match op {
        Op::Validate { token, cookie, .. } => validate(world, token, cookie),
        Op::Issue { claims, ttl, .. } => {
            let unsigned = world.keeper.issue(&world.served, world.now, claims, ttl);
            if let Ok(minted) = unsigned.and_then(|unsigned| unsigned.sign(&world.served)) {
                assert!(matches!(world.say_of(&minted), Said::Valid(_)));
            }
        }
        Op::Rotate {
            token, cookie, claims, ..
        } => {
            let claims = claims.and_then(|claims| serde_json::from_slice(claims).ok());
            if let Ok(token) = str::from_utf8(token) {
                let _ = world.try_rotate(token, cookie, claims.as_ref());
            }
        }
        // Of all that is before a moment nothing would be left.
        Op::Revoke {
            target: RevokeTarget::IssuedBefore(_),
            ..
        } => {}
        Op::Revoke { target, .. } => {
            let _ = world.try_revoke(match target {
                RevokeTarget::Token { token, cookie } => Revoke::Token { token, cookie },
                RevokeTarget::Jti(jti) => Revoke::Jti(jti),
                RevokeTarget::Session(session) => Revoke::Session(session),
                RevokeTarget::Subject { subject, before } => Revoke::Subject(subject, moment(before)),
                RevokeTarget::IssuedBefore(before) => Revoke::IssuedBefore(moment(before)),
            });
        }
        Op::Flag { target, .. } => {
            let _ = world.try_flag(match target {
                FlagTarget::Jti(jti) => Flag::Jti(jti),
                FlagTarget::Subject { subject, before } => Flag::Subject(subject, moment(before)),
            });
        }
        Op::Status { jti, .. } => {
            let _ = world.keeper.status(&world.served, world.now, jti);
        }
        _ => {}
    }
}

fn moment(before: jwtkeeper_wire::Before) -> Before {
    match before {
        jwtkeeper_wire::Before::At(at) => Before::At(Millis(at)),
        jwtkeeper_wire::Before::Now { first_asked } => Before::Now {
            first_asked: first_asked.map(Millis),
        },
    }
}
