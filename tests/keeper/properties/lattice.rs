//! State never falls: any order of issue, revoke, flag, rotate and passing time, held against a model that is so plain
//! that it can be read.

use std::collections::{BTreeMap, BTreeSet};

use jwtkeeper::keeper::{Before, Flag, Minted, Revoke};
use jwtkeeper::words::{Id, Millis};
use jwtkeeper_wire::{Cause, Reason};
use proptest::prelude::*;
use serde_json::json;

use super::cases;
use crate::world::{JUST_NOW, Said, World, at, plain};

const GRACE: u64 = 30_000;
const SKEW: u64 = 2000;
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
    /// When its grace ends, and which token it leads to.
    rotated: Option<(u64, usize)>,
}

#[derive(Default)]
struct Model {
    tokens: Vec<Token>,
    hard: BTreeSet<String>,
    soft: BTreeSet<String>,
    sessions: BTreeSet<String>,
    subject_hard: BTreeMap<usize, u64>,
    subject_soft: BTreeMap<usize, u64>,
    realm_hard: u64,
    highest_birth: u64,
}

fn raise(map: &mut BTreeMap<usize, u64>, key: usize, to: u64) {
    let stands = map.entry(key).or_default();
    *stands = (*stands).max(to);
}

fn birth(id: &Id) -> u64 {
    id.birth().unwrap().0
}

impl Model {
    fn add(&mut self, minted: Minted, session: Id, subject: usize) -> usize {
        self.highest_birth = self.highest_birth.max(birth(&minted.jti));
        self.tokens.push(Token {
            minted,
            session,
            subject,
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
            || self
                .subject_hard
                .get(&token.subject)
                .is_some_and(|cutoff| login <= *cutoff)
            || login <= self.realm_hard
    }

    fn say(&self, place: usize, now: u64) -> Said {
        let token = &self.tokens[place];
        let flagged = self.soft.contains(&self.jti(place))
            || self
                .subject_soft
                .get(&token.subject)
                .is_some_and(|cutoff| birth(&token.minted.jti) <= *cutoff);
        match token.rotated {
            _ if self.revoked(place) => Said::Invalid(Reason::Revoked),
            Some((grace_until, _)) if now >= grace_until => Said::Invalid(Reason::Revoked),
            Some(_) => Said::Valid(Cause::Rotated),
            None if flagged => Said::Valid(Cause::Flagged),
            None => Said::Valid(Cause::None),
        }
    }

    /// What the step should do, done to the model and to the world.
    fn step(&mut self, world: &mut World, step: Step) -> Result<(), TestCaseError> {
        let now = world.now.0;
        let cutoff_now = (now + SKEW).max(self.highest_birth);
        let pick = |place: usize| place % self.tokens.len().max(1);
        match step {
            Step::Issue(subject) => {
                if let Ok(minted) = world.try_issue(json!({"sub": SUBJECTS[subject]}), None) {
                    let session = minted.jti.clone();
                    self.add(minted, session, subject);
                }
            }
            Step::Pass(ms) => world.now = Millis(now + ms),
            Step::Tick => world.tick(),
            Step::RevokeSubject(subject) => {
                world.revoke(Revoke::Subject(SUBJECTS[subject], JUST_NOW));
                raise(&mut self.subject_hard, subject, cutoff_now);
            }
            Step::FlagSubject(subject) => {
                world.flag(Flag::Subject(SUBJECTS[subject], JUST_NOW));
                raise(&mut self.subject_soft, subject, cutoff_now);
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
                let (subject, at) = (token.subject, birth(&token.minted.jti).min(now + SKEW));
                let before = Before::At(Millis(at));
                match step {
                    Step::RevokeSubjectAt(_) => {
                        world.revoke(Revoke::Subject(SUBJECTS[subject], before));
                        raise(&mut self.subject_hard, subject, at);
                    }
                    Step::FlagSubjectAt(_) => {
                        world.flag(Flag::Subject(SUBJECTS[subject], before));
                        raise(&mut self.subject_soft, subject, at);
                    }
                    _ => {
                        world.revoke(Revoke::IssuedBefore(before));
                        self.realm_hard = self.realm_hard.max(at);
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
                let (session, subject) = (self.tokens[place].session.clone(), self.tokens[place].subject);
                let successor = self.add(new, session, subject);
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
