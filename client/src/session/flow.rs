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
    pub(super) cookie: LockCookie,
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
        let cookie = headers::secret(&parts.headers, &self.cookie);
        match self.client.validate(Validate::new(token).cookie(cookie)).await {
            Err(error) => Outcome::Refused(unanswered(&error)),
            Ok(Verdict::Invalid(reason)) => Outcome::Refused(self.invalid(reason)),
            Ok(Verdict::Valid { claims, rotation: None }) => presented(token, cookie, claims),
            Ok(Verdict::Valid { claims, .. }) => self.rotate(parts, token, cookie, claims).await,
        }
    }

    async fn rotate(&self, parts: &Parts, token: &str, cookie: Option<&str>, claims: Claims) -> Outcome {
        let mut rotate = Rotate::new(token).cookie(cookie);
        if let Some(regenerate) = &self.regenerate {
            match regenerate(&claims, parts).await {
                Ok(Some(new)) => rotate = rotate.claims(new),
                Ok(None) => {}
                Err(status) => return Outcome::Refused(answer(status)),
            }
        }
        match self.client.rotate(rotate).await {
            Ok(Rotation::Rotated(minted)) => rotated(&minted),
            Ok(Rotation::Invalid(reason)) => Outcome::Refused(self.invalid(reason)),
            Err(error) if goes_on(&error) => presented(token, cookie, claims),
            Err(error) => Outcome::Refused(unanswered(&error)),
        }
    }

    fn invalid(&self, reason: Reason) -> Response<()> {
        let mut response = unauthenticated(true);
        if clears_cookie(reason) && headers::clear(response.headers_mut(), &self.cookie).is_err() {
            return answer(StatusCode::INTERNAL_SERVER_ERROR); // the app's LockCookie fits no header
        }
        response
    }
}

fn presented(token: &str, cookie: Option<&str>, claims: Claims) -> Outcome {
    let session = Session::presented(token.to_owned(), cookie.map(str::to_owned), claims);
    Outcome::Authenticated(session, None)
}

fn rotated(minted: &Minted) -> Outcome {
    let mut headers = HeaderMap::new();
    match headers::write(&mut headers, minted) {
        Ok(()) => Outcome::Authenticated(Session::successor(minted), Some(Successor(headers))),
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
