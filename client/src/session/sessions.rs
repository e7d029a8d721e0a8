//! One request through the session flow, without a framework: from its headers to what becomes of it. Which answer
//! means what stands in the rules of [`super`]; here they are asked for in order.

use std::fmt;
use std::future::{Future, ready};
use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use jwtkeeper_wire::Reason;

use super::outage::Outages;
use super::outcome::{Authenticated, Outcome, Refusal};
use super::request::Session;
use super::{LockCookie, clears_cookie, goes_on, headers};
use crate::answer::{Claims, Minted, Rotation, Verdict};
use crate::error::Error;
use crate::given::NewClaims;
use crate::operations::{Rotate, Validate};
use crate::tokio::Client;

/// The result of an app's hook for new claims.
pub trait Regenerated {
    /// The new claims; `None` carries the old ones over; a status answers the request, whose session is kept.
    fn regenerated(self) -> Result<Option<NewClaims<'static>>, StatusCode>;
}

impl Regenerated for Option<NewClaims<'static>> {
    fn regenerated(self) -> Result<Self, StatusCode> {
        Ok(self)
    }
}

impl Regenerated for Result<Option<NewClaims<'static>>, StatusCode> {
    fn regenerated(self) -> Self {
        self
    }
}

/// Authenticates requests by their headers, for any framework: `SessionLayer` is this for tower.
///
/// ```no_run
/// use http::HeaderMap;
/// use jwtkeeper_client::session::{Outcome, Sessions};
/// use jwtkeeper_client::{Config, tokio::Client};
///
/// # async fn example(request: HeaderMap, response: &mut HeaderMap) {
/// let sessions = Sessions::new(Client::new(Config::from_env())); // once
/// match sessions.authenticate(&request).await {
///     Outcome::Authenticated(authenticated) => {
///         let user = authenticated.session().get("sub").cloned(); // and the app's own work
///         authenticated.apply(response); // last: the successor, where the token was rotated
/// #       drop(user);
///     }
///     Outcome::Refused(refusal) => refusal.apply(response), // answer with refusal.status()
/// }
/// # }
/// ```
///
/// Why a token could not be judged (503 or 500), and why a rotation was put off, is logged with `tracing`: once when it
/// begins and once when it ends, with the number of requests.
#[derive(Clone)]
pub struct Sessions {
    client: Client,
    /// The app's own settings of the lock cookie; the daemon's without.
    cookie: Option<LockCookie>,
    outages: Arc<Outages>,
}

impl Sessions {
    /// With the lock cookie that the daemon says is the realm's.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            cookie: None,
            outages: Arc::default(),
        }
    }

    /// The lock cookie, where it is not to be what the daemon says.
    #[must_use]
    pub fn cookie(mut self, cookie: LockCookie) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// Authenticates a request by its headers. A token whose rotation is due is rotated, with its old claims.
    pub async fn authenticate(&self, request: &HeaderMap) -> Outcome {
        let carried = |_: &Claims| ready(None::<NewClaims<'static>>);
        self.authenticate_with(request, carried).await
    }

    /// The same; `regenerate` is asked for new claims when a token is rotated. It sees the old claims, which are
    /// valid, and gives `Some` new private claims, `None` to carry the old ones over, or, in a `Result`, the status to
    /// answer the request with where it cannot tell.
    pub async fn authenticate_with<F, R>(&self, request: &HeaderMap, regenerate: F) -> Outcome
    where
        F: FnOnce(&Claims) -> R,
        R: Future<Output: Regenerated>,
    {
        let Some(token) = headers::token(request) else {
            return Outcome::Refused(Refusal::unauthenticated(None));
        };
        let presented = Presented {
            token,
            cookies: headers::cookies(request),
        };
        match self.client.validate(self.validate(&presented)).await {
            Err(error) => {
                self.outages.validate.begins(&error);
                Outcome::Refused(Refusal::unanswered(error))
            }
            Ok(verdict) => {
                self.outages.validate.ends();
                match verdict {
                    Verdict::Invalid(reason) => self.invalid(reason),
                    Verdict::Valid { claims, rotation: None } => self.goes_on(&presented, claims),
                    Verdict::Valid { claims, .. } => self.rotate(&presented, claims, regenerate).await,
                }
            }
        }
    }

    /// The lock cookie, as far as it is known: a greeting has said what it is once a token was judged.
    pub fn lock_cookie(&self) -> LockCookie {
        let explicit = self.cookie.clone();
        let known = explicit.or_else(|| self.client.known_lock_cookie_of(&self.client.config().realm));
        known.unwrap_or_default()
    }

    fn validate<'a>(&self, presented: &'a Presented<'a>) -> Validate<'a> {
        match &self.cookie {
            Some(cookie) => Validate::new(presented.token).cookie(headers::secret(&presented.cookies, cookie)),
            None => Validate::new(presented.token).cookie_headers(&presented.cookies),
        }
    }

    fn goes_on(&self, presented: &Presented<'_>, claims: Claims) -> Outcome {
        let lock_cookie = self.lock_cookie();
        let value = headers::secret(&presented.cookies, &lock_cookie).map(str::to_owned);
        let session = Session::presented(presented.token.to_owned(), value, claims, lock_cookie);
        Outcome::Authenticated(Authenticated::new(session, None))
    }

    async fn rotate<F, R>(&self, presented: &Presented<'_>, claims: Claims, regenerate: F) -> Outcome
    where
        F: FnOnce(&Claims) -> R,
        R: Future<Output: Regenerated>,
    {
        let mut rotate = match &self.cookie {
            Some(cookie) => Rotate::new(presented.token).cookie(headers::secret(&presented.cookies, cookie)),
            None => Rotate::new(presented.token).cookie_headers(&presented.cookies),
        };
        match regenerate(&claims).await.regenerated() {
            Ok(Some(new)) => rotate = rotate.claims(new),
            Ok(None) => {}
            Err(status) => return Outcome::Refused(Refusal::of(status)),
        }
        match self.client.rotate(rotate).await {
            Ok(rotation) => {
                self.outages.rotate.ends();
                match rotation {
                    Rotation::Rotated(minted) => self.rotated(&minted),
                    Rotation::Invalid(reason) => self.invalid(reason),
                }
            }
            Err(error) => {
                self.outages.rotate.begins(&error);
                self.not_rotated(presented, claims, error)
            }
        }
    }

    fn not_rotated(&self, presented: &Presented<'_>, claims: Claims, error: Error) -> Outcome {
        if goes_on(&error) {
            return self.goes_on(presented, claims);
        }
        Outcome::Refused(Refusal::unanswered(error))
    }

    fn rotated(&self, minted: &Minted) -> Outcome {
        let mut successor = HeaderMap::new();
        if headers::write(&mut successor, minted).is_err() {
            return Outcome::Refused(Refusal::of(StatusCode::INTERNAL_SERVER_ERROR));
        }
        let session = Session::successor(minted, self.lock_cookie());
        Outcome::Authenticated(Authenticated::new(session, Some(successor)))
    }

    fn invalid(&self, reason: Reason) -> Outcome {
        let mut refusal = Refusal::unauthenticated(Some(reason));
        if clears_cookie(reason) && headers::clear(refusal.headers_mut(), &self.lock_cookie()).is_err() {
            return Outcome::Refused(Refusal::of(StatusCode::INTERNAL_SERVER_ERROR)); // the app's LockCookie fits no header
        }
        Outcome::Refused(refusal)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("client", &self.client)
            .field("cookie", &self.cookie)
            .finish_non_exhaustive()
    }
}

/// The token and the cookies that a request presented.
struct Presented<'a> {
    token: &'a str,
    cookies: Vec<&'a str>,
}
