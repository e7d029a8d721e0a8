//! One request through the session flow, up to the service that it is for. Which answer means what stands in the rules
//! of [`super`]; here they are asked for in order.

use std::sync::Arc;

use http::header::{RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use jwtkeeper_wire::Reason;

use super::headers;
use super::layer::Hook;
use super::request::Session;
use super::{LockCookie, challenge, clears_cookie, goes_on, status};
use crate::answer::{Claims, Minted, Rotation, Verdict};
use crate::error::Error;
use crate::request::{Rotate, Validate};
use crate::tokio::Client;

/// What every request of a layer goes through.
#[derive(Clone)]
pub(super) struct Flow {
    pub(super) client: Client,
    /// What the app says that the lock cookie is; without, the daemon says it.
    pub(super) cookie: Option<LockCookie>,
    pub(super) regenerate: Option<Arc<Hook>>,
}

/// What becomes of a request.
pub(super) enum Outcome {
    /// It goes on; where there is a successor, the response is to carry it.
    Authenticated(Session, Option<Successor>),
    /// It is answered.
    Refused(Response<()>),
}

/// The headers of a successor, ready made.
pub(super) struct Successor(HeaderMap);

impl Successor {
    pub(super) fn write(self, response: &mut HeaderMap) {
        for (name, value) in &self.0 {
            if name == SET_COOKIE {
                response.append(name, value.clone());
            } else {
                response.insert(name, value.clone());
            }
        }
    }
}

impl Flow {
    pub(super) async fn authenticate(&self, parts: &Parts) -> Outcome {
        let Some(token) = headers::token(&parts.headers) else {
            return Outcome::Refused(unauthenticated(false));
        };
        let cookies = headers::cookies(&parts.headers);
        let validate = match &self.cookie {
            Some(cookie) => Validate::new(token).cookie(headers::secret(&cookies, cookie)),
            None => Validate::new(token).cookie_headers(&cookies),
        };
        match self.client.validate(validate).await {
            Err(error) => Outcome::Refused(unanswered(&error)),
            Ok(Verdict::Invalid(reason)) => Outcome::Refused(self.invalid(reason)),
            Ok(Verdict::Valid { claims, rotation: None }) => self.presented(token, &cookies, claims),
            Ok(Verdict::Valid { claims, .. }) => self.rotate(parts, token, &cookies, claims).await,
        }
    }

    /// The lock cookie: by now a greeting has said what it is.
    pub(super) fn lock_cookie(&self) -> LockCookie {
        let explicit = self.cookie.clone();
        let known = explicit.or_else(|| self.client.known_lock_cookie_of(&self.client.config().realm));
        known.unwrap_or_default()
    }

    fn presented(&self, token: &str, cookies: &[&str], claims: Claims) -> Outcome {
        let lock_cookie = self.lock_cookie();
        let value = headers::secret(cookies, &lock_cookie).map(str::to_owned);
        let session = Session::presented(token.to_owned(), value, claims, lock_cookie);
        Outcome::Authenticated(session, None)
    }

    async fn rotate(&self, parts: &Parts, token: &str, cookies: &[&str], claims: Claims) -> Outcome {
        let mut rotate = match &self.cookie {
            Some(cookie) => Rotate::new(token).cookie(headers::secret(cookies, cookie)),
            None => Rotate::new(token).cookie_headers(cookies),
        };
        if let Some(regenerate) = &self.regenerate {
            match regenerate(&claims, parts).await {
                Ok(Some(new)) => rotate = rotate.claims(new),
                Ok(None) => {}
                Err(status) => return Outcome::Refused(answer(status)),
            }
        }
        match self.client.rotate(rotate).await {
            Ok(Rotation::Rotated(minted)) => rotated(&minted, self.lock_cookie()),
            Ok(Rotation::Invalid(reason)) => Outcome::Refused(self.invalid(reason)),
            Err(error) if goes_on(&error) => self.presented(token, cookies, claims),
            Err(error) => Outcome::Refused(unanswered(&error)),
        }
    }

    fn invalid(&self, reason: Reason) -> Response<()> {
        let mut response = unauthenticated(true);
        if clears_cookie(reason) && headers::clear(response.headers_mut(), &self.lock_cookie()).is_err() {
            return answer(StatusCode::INTERNAL_SERVER_ERROR); // the app's LockCookie fits no header
        }
        response
    }
}

fn rotated(minted: &Minted, lock_cookie: LockCookie) -> Outcome {
    let mut headers = HeaderMap::new();
    match headers::write(&mut headers, minted) {
        Ok(()) => Outcome::Authenticated(Session::successor(minted, lock_cookie), Some(Successor(headers))),
        Err(_) => Outcome::Refused(answer(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

fn unauthenticated(presented: bool) -> Response<()> {
    let mut response = answer(StatusCode::UNAUTHORIZED);
    let value = HeaderValue::from_static(challenge(presented));
    response.headers_mut().insert(WWW_AUTHENTICATE, value);
    response
}

fn unanswered(error: &Error) -> Response<()> {
    let status = StatusCode::from_u16(status(error)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn answer(status: StatusCode) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response
}
