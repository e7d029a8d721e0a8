//! The wire's messages as their mirrors.

use jwtkeeper_wire as wire;

use super::{
    Answer, Before, Cookie, Extension, FlagTarget, Greeting, Hello, Minted, Op, RealmCookie, Reply, Request,
    RevokeTarget,
};

fn extensions<'a>(from: &[wire::Extension<'a>]) -> Vec<Extension<'a>> {
    from.iter()
        .map(|e| Extension {
            kind: e.kind,
            value: e.value,
        })
        .collect()
}

impl<'a> From<&wire::Hello<'a>> for Hello<'a> {
    fn from(from: &wire::Hello<'a>) -> Self {
        Self {
            magic: from.magic,
            protocol: from.protocol,
            client: from.client,
            extensions: extensions(&from.extensions),
        }
    }
}

impl<'a> From<&wire::Greeting<'a>> for Greeting<'a> {
    fn from(from: &wire::Greeting<'a>) -> Self {
        match from {
            wire::Greeting::Welcome(welcome) => Self::Welcome {
                protocol: welcome.protocol,
                server: welcome.server,
                instance: welcome.instance,
                generation: welcome.generation,
                max_frame: welcome.limits.max_frame,
                max_in_flight: welcome.limits.max_in_flight,
                extensions: extensions(&welcome.extensions),
            },
            wire::Greeting::Refused { code, message } => Self::Refused {
                code: code.code(),
                message,
            },
        }
    }
}

impl<'a> From<&wire::RealmCookie<'a>> for RealmCookie<'a> {
    fn from(from: &wire::RealmCookie<'a>) -> Self {
        Self {
            realm: from.realm,
            name: from.name,
            domain: from.domain,
            path: from.path,
            secure: from.secure,
            http_only: from.http_only,
            same_site: from.same_site,
        }
    }
}

impl<'a> From<&wire::Request<'a>> for Request<'a> {
    fn from(from: &wire::Request<'a>) -> Self {
        let op = match from.op {
            wire::Op::Ping => Op::Ping,
            wire::Op::Issue { realm, claims, ttl } => Op::Issue { realm, claims, ttl },
            wire::Op::Validate { realm, token, cookie } => Op::Validate { realm, token, cookie },
            wire::Op::Rotate {
                realm,
                token,
                cookie,
                claims,
            } => Op::Rotate {
                realm,
                token,
                cookie,
                claims: claims.map(|claims| claims.as_ref()),
            },
            wire::Op::Flag { realm, target } => Op::Flag {
                realm,
                target: target.into(),
            },
            wire::Op::Revoke { realm, target } => Op::Revoke {
                realm,
                target: target.into(),
            },
            wire::Op::Status { realm, jti } => Op::Status { realm, jti },
            wire::Op::Jwks { realm } => Op::Jwks { realm },
            wire::Op::Health => Op::Health,
            wire::Op::Reload => Op::Reload,
            wire::Op::Import => Op::Import,
            wire::Op::ReloadReport { dry_run } => Op::ReloadReport { dry_run },
            wire::Op::Introspect { realm, token, cookie } => Op::Introspect { realm, token, cookie },
        };
        Self { id: from.id, op }
    }
}

impl<'a> From<wire::FlagTarget<'a>> for FlagTarget<'a> {
    fn from(from: wire::FlagTarget<'a>) -> Self {
        match from {
            wire::FlagTarget::Jti(jti) => Self::Jti(jti),
            wire::FlagTarget::Subject { subject, before } => Self::Subject {
                subject,
                before: before.into(),
            },
        }
    }
}

impl<'a> From<wire::RevokeTarget<'a>> for RevokeTarget<'a> {
    fn from(from: wire::RevokeTarget<'a>) -> Self {
        match from {
            wire::RevokeTarget::Token { token, cookie } => Self::Token { token, cookie },
            wire::RevokeTarget::Jti(jti) => Self::Jti(jti),
            wire::RevokeTarget::Session(session) => Self::Session(session),
            wire::RevokeTarget::Subject { subject, before } => Self::Subject {
                subject,
                before: before.into(),
            },
            wire::RevokeTarget::IssuedBefore(before) => Self::IssuedBefore(before.into()),
        }
    }
}

impl From<wire::Before> for Before {
    fn from(from: wire::Before) -> Self {
        match from {
            wire::Before::At(time) => Self::At(time),
            wire::Before::Now { first_asked } => Self::Now { first_asked },
        }
    }
}

impl<'a> From<&wire::Reply<'a>> for Reply<'a> {
    fn from(from: &wire::Reply<'a>) -> Self {
        let answer = match &from.answer {
            wire::Answer::Error { code, message } => Answer::Error {
                code: code.code(),
                message,
            },
            wire::Answer::Pong => Answer::Pong,
            wire::Answer::Issued(minted) => Answer::Issued(minted.into()),
            wire::Answer::Valid { claims, rotation } => Answer::Valid {
                claims,
                rotation: rotation.code(),
            },
            wire::Answer::Invalid { reason } => Answer::Invalid { reason: reason.code() },
            wire::Answer::Rotated(minted) => Answer::Rotated(minted.into()),
            wire::Answer::Done => Answer::Done,
            wire::Answer::Status { state, until } => Answer::Status {
                state: state.code(),
                until: *until,
            },
            wire::Answer::Jwks { document } => Answer::Jwks { document },
            wire::Answer::Health {
                ready,
                generation,
                document,
            } => Answer::Health {
                ready: *ready,
                generation: *generation,
                document,
            },
            wire::Answer::Reloaded { generation } => Answer::Reloaded {
                generation: *generation,
            },
            wire::Answer::Imported { entries, pending } => Answer::Imported {
                entries: *entries,
                pending: *pending,
            },
            wire::Answer::ReloadReport { generation, document } => Answer::ReloadReport {
                generation: *generation,
                document,
            },
            wire::Answer::Introspection { document } => Answer::Introspection { document },
        };
        Self { id: from.id, answer }
    }
}

impl<'a> From<&wire::Minted<'a>> for Minted<'a> {
    fn from(from: &wire::Minted<'a>) -> Self {
        let cookie = from.cookie.map(|cookie| Cookie {
            name: cookie.name,
            value: cookie.value,
            expires_at: cookie.expires_at,
            domain: cookie.domain,
            path: cookie.path,
            secure: cookie.secure,
            http_only: cookie.http_only,
            same_site: cookie.same_site,
            set_cookie: cookie.set_cookie,
        });
        Self {
            token: from.token,
            jti: from.jti,
            expires_at: from.expires_at,
            claims: from.claims,
            cookie,
        }
    }
}
