//! State never falls: any order of issue, revoke, flag, rotate and passing time, held against a model that is so plain
//! that it can be read.

use std::collections::BTreeSet;

use jwtkeeper_core::keeper::{Before, Flag, Minted, Revoke};
use jwtkeeper_core::types::{Id, Millis};
use jwtkeeper_wire::{Cause, Reason};
use proptest::prelude::*;
use serde_json::json;

use super::cases;
use jwtkeeper_testkit::world::{JUST_NOW, Said, World, at, plain};

const GRACE: u64 = 30_000;
const SKEW: u64 = 2000;
const UNDER_WAY: u64 = 10_000;
const SUBJECTS: [&str; 2] = ["u", "v"];

#[derive(Debug, Clone, Copy)]
enum Step {
    Issue(usize),
    Rotate(usize),
    RevokeToken(usize),
    RevokeJti(usize),
    RevokeSession(usize),
    RevokeSubject(usize),
    /// Of the token's subject, up to the token's birth.
    RevokeSubjectAt(usize),
    RevokeRealmAt(usize),
    FlagJti(usize),
    FlagSubject(usize),
    FlagSubjectAt(usize),
    Pass(u64),
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    let token = || any::<prop::sample::Index>().prop_map(|index| index.index(64));
    prop_oneof![
        3 => (0..2_usize).prop_map(Step::Issue),
        6 => token().prop_map(Step::Rotate),
        2 => token().prop_map(Step::RevokeToken),
        2 => token().prop_map(Step::RevokeJti),
        1 => token().prop_map(Step::RevokeSession),
        1 => (0..2_usize).prop_map(Step::RevokeSubject),
        1 => token().prop_map(Step::RevokeSubjectAt),
        1 => token().prop_map(Step::RevokeRealmAt),
        3 => token().prop_map(Step::FlagJti),
        1 => (0..2_usize).prop_map(Step::FlagSubject),
        1 => token().prop_map(Step::FlagSubjectAt),
        4 => (0..GRACE).prop_map(Step::Pass),
        1 => Just(Step::Tick),
    ]
}

struct Token {
    minted: Minted,
    session: Id,
    subject: usize,
    /// What its session and the token itself are exempt from: applications up to these.
    seen: Seen,
    /// When its grace ends, and which token it leads to.
    rotated: Option<(u64, usize)>,
}

/// Which applications of the realm's and the subject's cutoffs were known.
#[derive(Clone, Copy)]
struct Seen {
    realm: u64,
    subject: u64,
    flag: u64,
}

/// Covers what began by `start`, unless it knows of the last application.
#[derive(Default, Clone, Copy)]
struct Cutoff {
    start: u64,
    last: u64,
}

impl Cutoff {
    fn apply(&mut self, start: u64, count: u64) {
        if start + SKEW >= self.start {
            self.last = count;
        }
        self.start = self.start.max(start);
    }

    fn covers(self, start: u64, seen: u64) -> bool {
        start <= self.start && seen < self.last
    }
}

#[derive(Default)]
struct Model {
    /// The number of cutoffs applied.
    count: u64,
    tokens: Vec<Token>,
    hard: BTreeSet<String>,
    soft: BTreeSet<String>,
    sessions: BTreeSet<String>,
    subject_hard: [Cutoff; 2],
    subject_soft: [Cutoff; 2],
    realm_hard: Cutoff,
}

fn birth(id: &Id) -> u64 {
    id.birth().unwrap().0
}

impl Model {
    fn add(&mut self, minted: Minted, session: Id, subject: usize, of_session: Option<Seen>) -> usize {
        let knows = Seen {
            realm: self.realm_hard.last,
            subject: self.subject_hard[subject].last,
            flag: self.subject_soft[subject].last,
        };
        let seen = Seen {
            flag: knows.flag,
            ..of_session.unwrap_or(knows)
        };
        self.tokens.push(Token {
            minted,
            session,
            subject,
            seen,
            rotated: None,
        });
        self.tokens.len() - 1
    }

    fn jti(&self, token: usize) -> String {
        self.tokens[token].minted.jti.to_string()
    }

    fn revoked(&self, place: usize) -> bool {
        let token = &self.tokens[place];
        let login = birth(&token.session);
        self.hard.contains(&self.jti(place))
            || self.sessions.contains(&token.session.to_string())
            || self.subject_hard[token.subject].covers(login, token.seen.subject)
            || self.realm_hard.covers(login, token.seen.realm)
    }

    /// Whether the successor was rotated so long ago that nobody can still have the token before it under way.
    fn overtaken(&self, successor: usize, now: u64) -> bool {
        let Some((grace_until, next)) = self.tokens[successor].rotated else {
            return false;
        };
        let made = birth(&self.tokens[next].minted.jti);
        now >= (grace_until - GRACE).max(made) + UNDER_WAY + SKEW
    }

    fn say(&self, place: usize, now: u64) -> Said {
        let token = &self.tokens[place];
        let flagged = self.soft.contains(&self.jti(place))
            || self.subject_soft[token.subject].covers(birth(&token.minted.jti), token.seen.flag);
        match token.rotated {
            _ if self.revoked(place) => Said::Invalid(Reason::Revoked),
            Some((grace_until, _)) if now >= grace_until => Said::Invalid(Reason::Revoked),
            Some((_, successor)) if self.overtaken(successor, now) => Said::Invalid(Reason::Revoked),
            Some(_) => Said::Valid(Cause::Rotated),
            None if flagged => Said::Valid(Cause::Flagged),
            None => Said::Valid(Cause::None),
        }
    }

    /// What the step should do, done to the model and to the world.
    fn step(&mut self, world: &mut World, step: Step) -> Result<(), TestCaseError> {
        let now = world.now.0;
        self.count += 1;
        let count = self.count;
        let pick = |place: usize| place % self.tokens.len().max(1);
        match step {
            Step::Issue(subject) => {
                if let Ok(minted) = world.try_issue(json!({"sub": SUBJECTS[subject]}), None) {
                    let session = minted.jti.clone();
                    self.add(minted, session, subject, None);
                }
            }
            Step::Pass(ms) => world.now = Millis(now + ms),
            Step::Tick => world.tick(),
            Step::RevokeSubject(subject) => {
                world.revoke(Revoke::Subject(SUBJECTS[subject], JUST_NOW));
                self.subject_hard[subject].apply(now + SKEW, count);
            }
            Step::FlagSubject(subject) => {
                world.flag(Flag::Subject(SUBJECTS[subject], JUST_NOW));
                self.subject_soft[subject].apply(now + SKEW, count);
            }
            _ if self.tokens.is_empty() => {}
            Step::Rotate(place) => self.rotate(world, pick(place))?,
            Step::RevokeToken(place) => {
                let place = pick(place);
                world.revoke(Revoke::Token {
                    token: self.tokens[place].minted.token.as_bytes(),
                    cookie: None,
                });
                self.hard.insert(self.jti(place));
                self.sessions.insert(self.tokens[place].session.to_string());
            }
            Step::RevokeJti(place) => {
                let place = pick(place);
                world.revoke(Revoke::Jti(&self.jti(place)));
                self.sessions.insert(self.jti(place));
                self.sessions.insert(self.tokens[place].session.to_string());
                self.hard.insert(self.jti(place));
            }
            Step::RevokeSession(place) => {
                let session = self.tokens[pick(place)].session.to_string();
                world.revoke(Revoke::Session(&session));
                self.sessions.insert(session);
            }
            Step::FlagJti(place) => {
                let jti = self.jti(pick(place));
                world.flag(Flag::Jti(&jti));
                self.soft.insert(jti);
            }
            Step::RevokeSubjectAt(place) | Step::FlagSubjectAt(place) | Step::RevokeRealmAt(place) => {
                let token = &self.tokens[pick(place)];
                let (subject, at) = (token.subject, birth(&token.minted.jti));
                let before = Before::At(Millis(at));
                match step {
                    Step::RevokeSubjectAt(_) => {
                        world.revoke(Revoke::Subject(SUBJECTS[subject], before));
                        self.subject_hard[subject].apply(at + SKEW, count);
                    }
                    Step::FlagSubjectAt(_) => {
                        world.flag(Flag::Subject(SUBJECTS[subject], before));
                        self.subject_soft[subject].apply(at + SKEW, count);
                    }
                    _ => {
                        world.revoke(Revoke::IssuedBefore(before));
                        self.realm_hard.apply(at + SKEW, count);
                    }
                }
            }
        }
        Ok(())
    }

    fn rotate(&mut self, world: &World, place: usize) -> Result<(), TestCaseError> {
        let now = world.now.0;
        let dead = matches!(self.say(place, now), Said::Invalid(_));
        let token = self.tokens[place].minted.token.clone();
        // A clock behind its own births refuses; what it would have rotated stays as it is.
        let Ok(rotated) = world.try_rotate(&token, None, None) else {
            return Ok(());
        };
        let new = rotated.ok();
        prop_assert_eq!(new.is_none(), dead);
        let Some(new) = new else { return Ok(()) };
        match self.tokens[place].rotated {
            Some((_, successor)) => prop_assert_eq!(&new.token, &self.tokens[successor].minted.token),
            None => {
                let old = &self.tokens[place];
                let (session, subject, seen) = (old.session.clone(), old.subject, old.seen);
                let successor = self.add(new, session, subject, Some(seen));
                self.tokens[place].rotated = Some((now + GRACE, successor));
            }
        }
        Ok(())
    }
}

/// How far a token has climbed.
fn height(said: &Said) -> u8 {
    match said {
        Said::Valid(Cause::None) => 0,
        Said::Valid(Cause::Flagged) => 1,
        Said::Valid(_) => 2,
        Said::Invalid(_) => 3,
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn the_keeper_says_what_the_model_says_and_no_token_ever_falls(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = plain();
        world.now = at(0);
        let mut model = Model::default();
        let mut heights: Vec<u8> = Vec::new();
        for (count, step) in steps.into_iter().enumerate() {
            model.step(&mut world, step)?;
            heights.resize(model.tokens.len(), 0);
            for (place, stood) in heights.iter_mut().enumerate() {
                let said = world.say(&model.tokens[place].minted.token);
                prop_assert_eq!(&said, &model.say(place, world.now.0), "token {} after step {}, {:?}", place, count, step);
                let height = height(&said);
                prop_assert!(height >= *stood, "token {} fell from {} to {}", place, stood, height);
                *stood = height;
            }
        }
    }
}
