//! The lock cookies that a connection's greeting announced.

use jwtkeeper_wire::Right;
use jwtkeeper_wire::{EXTENSION_LOCK_COOKIE, Extension, Hello, MAX_FRAME, MAX_NAMED_REALMS, RealmCookie, encode};

use crate::ops::named;
use crate::reload::Snapshot;
use jwtkeeper_core::realm::CookiePolicy;
use jwtkeeper_core::types::Peer;

/// The bytes of a frame that the rest of the greeting may take.
const REST: usize = 1024;

/// The realms that a hello named, each with the cookie that the greeting announced.
#[derive(Default)]
pub(super) struct Announced {
    realms: Vec<(String, Option<CookiePolicy>)>,
    /// The generation that they were last compared with.
    generation: u64,
}

impl Announced {
    /// Answers the hello's questions by this snapshot.
    pub(super) fn to(hello: &Hello<'_>, peer: &Peer, snapshot: &Snapshot) -> Self {
        let asked = hello
            .extensions
            .iter()
            .filter(|extension| extension.kind == EXTENSION_LOCK_COOKIE)
            .filter_map(|extension| std::str::from_utf8(extension.value).ok())
            .take(MAX_NAMED_REALMS);
        let realms = asked.map(|realm| {
            let cookie = cookie_of(realm, peer, snapshot).cloned();
            (realm.to_owned(), cookie)
        });
        Self {
            realms: realms.collect(),
            generation: snapshot.generation,
        }
    }

    /// The values of the greeting's extensions; those that fit no frame are left out.
    pub(super) fn values(&self) -> Vec<Vec<u8>> {
        let mut room = MAX_FRAME - REST;
        let mut values = Vec::new();
        for (realm, cookie) in &self.realms {
            let Some(cookie) = cookie else { continue };
            let mut value = Vec::new();
            let fits = encode(&on_the_wire(realm, cookie), &mut value).is_ok() && value.len() + 16 <= room;
            if fits {
                room -= value.len() + 16;
                values.push(value);
            }
        }
        values
    }

    /// Returns true if a greeting by this snapshot would announce something else.
    pub(super) fn is_outdated(&mut self, peer: &Peer, snapshot: &Snapshot) -> bool {
        if self.generation == snapshot.generation {
            return false;
        }
        self.generation = snapshot.generation;
        let changed = |(realm, announced): &(String, Option<CookiePolicy>)| {
            cookie_of(realm, peer, snapshot) != announced.as_ref()
        };
        self.realms.iter().any(changed)
    }
}

/// Extensions with these values.
pub(super) fn extensions(values: &[Vec<u8>]) -> Vec<Extension<'_>> {
    let kind = EXTENSION_LOCK_COOKIE;
    values.iter().map(|value| Extension { kind, value }).collect()
}

/// The cookie of a realm, for a peer that may do something in it with tokens: others learn of no realm.
fn cookie_of<'s>(realm: &str, peer: &Peer, snapshot: &'s Snapshot) -> Option<&'s CookiePolicy> {
    let rights = [Right::Validate, Right::Rotate, Right::Issue, Right::Revoke];
    let may = |right: &Right| snapshot.access.permits(peer, *right, named(realm));
    let served = snapshot.realm(realm).filter(|_| rights.iter().any(may))?;
    Some(&served.realm.policy.cookie)
}

fn on_the_wire<'a>(realm: &'a str, cookie: &'a CookiePolicy) -> RealmCookie<'a> {
    RealmCookie {
        realm,
        name: &cookie.name,
        domain: cookie.domain.as_deref(),
        path: cookie.path.as_deref(),
        secure: cookie.secure,
        http_only: cookie.http_only,
        same_site: cookie.same_site.name(),
    }
}
