//! A caller: it picks operations at random, makes them, and has each answer judged.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jwtkeeper_client::{
    Before, Error, Flag, Issue, Minted, Reason, Revoke, Revoked, Rotate, Rotation, Validate, Verdict, blocking,
};
use jwtkeeper_wire::ErrorCode;

use super::model::{Beginning, Call, LONGEST_US, Scope, Session, Token};
use super::{History, REALMS};
use jwtkeeper_testkit::daemons::{Random, pace};

/// The longest time for which a login may be `unavailable`; shorter than the time for which a cutoff covers new sessions.
const LONGEST_OUTAGE: Duration = Duration::from_secs(1);
const BUSY_SUBJECTS: usize = 2;
/// Cutoffs lie up to this long ago.
const AGO_US: u64 = 3_000_000;

pub struct Caller<'a> {
    history: &'a History,
    clients: &'a [blocking::Client],
    random: Random,
}

impl<'a> Caller<'a> {
    pub fn new(history: &'a History, clients: &'a [blocking::Client], number: usize) -> Self {
        Self {
            history,
            clients,
            random: Random(number as u64 + 2026),
        }
    }

    pub fn run(&mut self, operations: u64) {
        while !self.history.is_over.load(Ordering::Relaxed)
            && self.history.operations.fetch_add(1, Ordering::Relaxed) < operations
        {
            self.operate();
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random.below(limit as u64) as usize
    }

    fn operate(&mut self) {
        let (realm, host) = (self.below(REALMS.len()), self.below(self.clients.len()));
        let slot = self.below(super::SESSIONS);
        let choice = self.below(10_000);
        let session = self.history.sessions[realm].lock().unwrap()[slot].clone();
        let now = self.history.clock.now();
        let session = session.filter(|session| now - session.started.call < LONGEST_US);
        let Some(session) = session.filter(|_| choice >= 400) else {
            return self.issue(realm, host, slot);
        };
        match choice {
            400..1400 => self.rotate(&session, host),
            1400..1600 => self.flag_token(&session, host),
            1600..1640 => self.change_subject(&session, host, false),
            1640..1680 => self.change_subject(&session, host, true),
            1680..1682 => self.revoke_all(realm, host),
            1682..1900 => self.revoke_one(&session, host),
            1900..2000 => self.revoke_elsewhere(&session, host),
            _ => self.validate(&session, host, slot),
        }
    }

    /// The answer; none where it is `unavailable`, or wrong.
    fn answer<T>(&self, answer: Result<T, Error>) -> Option<T> {
        match &answer {
            Ok(_) => {}
            Err(error) if error.code() == Some(ErrorCode::Unavailable) => {
                self.history.unavailable.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => self.history.violation(format!("an error: {error}")),
        }
        answer.ok()
    }

    fn judge(&self, found: Option<String>, what: &str, session: &Session) {
        if let Some(found) = found {
            let (realm, subject) = (REALMS[session.realm], session.subject);
            self.history
                .violation(format!("{what} in {realm}, subject {subject}: {found}"));
        }
    }

    fn issue(&mut self, realm: usize, host: usize, slot: usize) {
        // Half of the sessions are of a few subjects, so that changes and logins of one subject often coincide.
        let subjects = [BUSY_SUBJECTS, super::SUBJECTS][self.below(2)];
        let subject = self.below(subjects);
        let claims = format!("{{\"sub\":\"{subject}\"}}");
        let begun = Instant::now();
        let (call, minted) = loop {
            let call = self.history.clock.now();
            let answer = self.clients[host].issue(Issue::new().realm(REALMS[realm]).claims(&*claims));
            match self.answer(answer) {
                Some(minted) => break (call, minted),
                None if begun.elapsed() < LONGEST_OUTAGE => pace(Duration::from_millis(5)),
                None => {
                    let what = format!("no login for {LONGEST_OUTAGE:?}: {}, subject {subject}", REALMS[realm]);
                    return self.history.violation(what);
                }
            }
        };
        let started = self.beginning(host, call);
        let session = Session {
            realm,
            subject,
            started,
            lineage: vec![token(&minted, started)].into(),
            revocations: Default::default(),
        };
        self.history.sessions[realm].lock().unwrap()[slot] = Some(Arc::new(session));
    }

    fn beginning(&self, host: usize, call: u64) -> Beginning {
        let returned = self.history.clock.now();
        Beginning { host, call, returned }
    }

    /// The last token of a session, or now and then the one before it, with its place in the lineage.
    fn pick(&mut self, session: &Session) -> (usize, Arc<Token>) {
        let back = usize::from(self.below(4) == 0);
        let lineage = session.lineage.lock().unwrap();
        let index = (lineage.len() - 1).saturating_sub(back);
        (index, lineage[index].clone())
    }

    fn validate(&mut self, session: &Session, host: usize, slot: usize) {
        let (_, token) = self.pick(session);
        let begun = self.history.clock.now();
        let answer = self.clients[host].validate(Validate::new(&token.text).realm(REALMS[session.realm]));
        let ended = self.history.clock.now();
        let (call, realm) = (Call { host, begun, ended }, &self.history.realms[session.realm]);
        match self.answer(answer) {
            Some(Verdict::Valid { rotation, .. }) => {
                self.judge(realm.judge(session, call, false), "validate", session);
                if rotation.is_none() {
                    self.judge(realm.judge_unflagged(session, &token, call), "validate", session);
                }
            }
            Some(Verdict::Invalid(Reason::Revoked)) => {
                self.judge(realm.judge(session, call, true), "validate", session);
                // A revoked session is asked about for a while: it must stay so.
                if self.below(20) == 0 {
                    self.issue(session.realm, host, slot);
                }
            }
            Some(Verdict::Invalid(other)) => self.judge(Some(other.to_string()), "validate", session),
            None => {}
        }
    }

    fn rotate(&mut self, session: &Session, host: usize) {
        let (index, token_in_hand) = self.pick(session);
        let begun = self.history.clock.now();
        let answer = self.clients[host].rotate(Rotate::new(&token_in_hand.text).realm(REALMS[session.realm]));
        let minted_at = self.beginning(host, begun);
        let ended = minted_at.returned;
        let (call, realm) = (Call { host, begun, ended }, &self.history.realms[session.realm]);
        match self.answer(answer) {
            Some(Rotation::Rotated(minted)) => {
                self.judge(realm.judge(session, call, false), "rotate", session);
                let mut lineage = session.lineage.lock().unwrap();
                match lineage.get(index + 1) {
                    None => lineage.push(token(&minted, minted_at)),
                    Some(known) if known.text == minted.token() => {}
                    Some(known) => {
                        let both = format!("two successors: {} and {}", known.jti, minted.jti);
                        self.judge(Some(both), "rotate", session);
                    }
                }
            }
            Some(Rotation::Invalid(Reason::Revoked)) => {
                self.judge(realm.judge(session, call, true), "rotate", session);
            }
            Some(Rotation::Invalid(other)) => self.judge(Some(other.to_string()), "rotate", session),
            None => {}
        }
    }

    fn flag_token(&mut self, session: &Session, host: usize) {
        let (history, clients) = (self.history, self.clients);
        let (_, token) = self.pick(session);
        let flag = Flag::jti(&token.jti).realm(REALMS[session.realm]);
        let call = || self.answer(clients[host].flag(flag)).is_some();
        token.flags.make(&history.clock, Scope::One, host, call);
    }

    /// A cutoff: now, or some time ago.
    fn cutoff(&mut self) -> (Scope, Before) {
        if self.below(2) == 0 {
            return (Scope::Now, Before::Now);
        }
        let at = (self.history.clock.now() - self.random.below(AGO_US)) / 1000;
        (Scope::At(at), Before::At(at))
    }

    fn change_subject(&mut self, session: &Session, host: usize, revokes: bool) {
        let (history, clients) = (self.history, self.clients);
        let (scope, before) = self.cutoff();
        let (name, realm) = (session.subject.to_string(), REALMS[session.realm]);
        let (revocations, flags) = &history.realms[session.realm].subjects[session.subject];
        if revokes {
            let revoke = Revoke::subject(&name, before).realm(realm);
            let call = || self.answer(clients[host].revoke(revoke)) == Some(Revoked::Done);
            revocations.make(&history.clock, scope, host, call);
        } else {
            let flag = Flag::subject(&name, before).realm(realm);
            let call = || self.answer(clients[host].flag(flag)).is_some();
            flags.make(&history.clock, scope, host, call);
        }
    }

    fn revoke_all(&mut self, realm: usize, host: usize) {
        let (history, clients) = (self.history, self.clients);
        let (scope, before) = self.cutoff();
        let revoke = Revoke::issued_before(before).realm(REALMS[realm]);
        let call = || self.answer(clients[host].revoke(revoke)) == Some(Revoked::Done);
        history.realms[realm]
            .revocations
            .make(&history.clock, scope, host, call);
    }

    /// Revokes a session by a token, by a jti of its lineage, or by its id.
    fn revoke_one(&mut self, session: &Session, host: usize) {
        let (history, clients) = (self.history, self.clients);
        let first = session.lineage.lock().unwrap()[0].clone();
        let (_, token) = self.pick(session);
        let revoke = match self.below(3) {
            0 => Revoke::token(&token.text, None),
            1 => Revoke::jti(&token.jti),
            _ => Revoke::session(&first.jti),
        };
        let revoke = revoke.realm(REALMS[session.realm]);
        let call = || self.answer(clients[host].revoke(revoke)) == Some(Revoked::Done);
        session.revocations.make(&history.clock, Scope::One, host, call);
    }

    /// Revokes in the other realm what is of this one: nothing may come of it.
    fn revoke_elsewhere(&mut self, session: &Session, host: usize) {
        let (_, token) = self.pick(session);
        let other = REALMS[(session.realm + 1) % REALMS.len()];
        let answer = self.clients[host].revoke(Revoke::jti(&token.jti).realm(other));
        let _ = self.answer(answer);
    }
}

fn token(minted: &Minted, at: Beginning) -> Arc<Token> {
    Arc::new(Token {
        text: minted.token().to_owned(),
        jti: minted.jti.clone(),
        minted: at,
        flags: Default::default(),
    })
}
