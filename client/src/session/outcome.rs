//! The outcome of a request: it goes on, or it is answered.

use http::header::{RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use jwtkeeper_wire::Reason;

use super::request::Session;
use super::{challenge, headers, status};
use crate::error::Error;

/// The outcome of a request.
#[derive(Debug)]
#[must_use]
pub enum Outcome {
    /// It goes on.
    Authenticated(Authenticated),
    /// It is answered: without a valid token, or because the token could not be judged.
    Refused(Refusal),
}

/// A request that goes on, and what its response must carry.
#[derive(Debug)]
#[must_use = "its response must carry the successor: see `apply`"]
pub struct Authenticated {
    session: Session,
    successor: Option<HeaderMap>,
}

impl Authenticated {
    pub(super) fn new(session: Session, successor: Option<HeaderMap>) -> Self {
        Self { session, successor }
    }

    /// The session, as it is from now on: after a rotation it is the successor's.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The headers of the rotation for the response, ready made: `Authorization`, `Cache-Control: no-store`, and
    /// `Set-Cookie` where the realm locks. `None` where the token was not rotated.
    pub fn rotation(&self) -> Option<&HeaderMap> {
        self.successor.as_ref()
    }

    /// Writes the rotation to the response's headers, if there was one. A response that says itself what becomes of the
    /// session (it has `Authorization`, or sets or clears the lock cookie) is left as it is.
    pub fn apply(&self, response: &mut HeaderMap) {
        if let Some(successor) = &self.successor
            && !headers::are_written(response, self.session.lock_cookie())
        {
            put(successor, response);
        }
    }
}

/// The answer to a request that does not go on.
#[derive(Debug)]
#[must_use]
pub struct Refusal {
    status: StatusCode,
    reason: Option<Reason>,
    error: Option<Error>,
    headers: HeaderMap,
}

impl Refusal {
    pub(super) fn of(status: StatusCode) -> Self {
        Self {
            status,
            reason: None,
            error: None,
            headers: HeaderMap::new(),
        }
    }

    /// Without a token, or with one that is invalid for a reason.
    pub(super) fn unauthenticated(reason: Option<Reason>) -> Self {
        let mut refusal = Self::of(StatusCode::UNAUTHORIZED);
        let value = HeaderValue::from_static(challenge(reason.is_some()));
        refusal.headers.insert(WWW_AUTHENTICATE, value);
        refusal.reason = reason;
        refusal
    }

    /// With a token that could not be judged.
    pub(super) fn unanswered(error: Error) -> Self {
        let status = StatusCode::from_u16(status(&error)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut refusal = Self::of(status);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            refusal.headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        refusal.error = Some(error);
        refusal
    }

    pub(super) fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// The status to answer with: 401 without a valid token, 503 or 500 where it could not be judged, or what the app's
    /// hook for new claims said.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Why the token is not valid; `None` where there was none, or it was not judged. For a log: whoever presented it
    /// need not be told.
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// Why the token could not be judged.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// The headers of the answer: `WWW-Authenticate` and perhaps the cleared lock cookie, or `Retry-After`.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Writes its headers to an answer of the app's own; those that the answer has already stay, but for cookies, which
    /// are added.
    pub fn apply(&self, response: &mut HeaderMap) {
        let is_missing = |name: &HeaderName, value: &HeaderValue| match *name == SET_COOKIE {
            true => response.get_all(name).iter().all(|there| there != value),
            false => !response.contains_key(name),
        };
        let headers = self.headers.iter().filter(|(name, value)| is_missing(name, value));
        let missing: HeaderMap = headers.map(|(name, value)| (name.clone(), value.clone())).collect();
        put(&missing, response);
    }

    /// The answer, with an empty body.
    pub fn response<B: Default>(&self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = self.status;
        self.apply(response.headers_mut());
        response
    }
}

fn put(headers: &HeaderMap, response: &mut HeaderMap) {
    for (name, value) in headers {
        if name == SET_COOKIE {
            response.append(name, value.clone());
        } else {
            response.insert(name, value.clone());
        }
    }
}
