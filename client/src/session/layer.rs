//! The session flow as a layer of tower, for axum and whatever else takes one: authenticates each request before the
//! service behind it sees it, rotates where that is due, and writes the new token to the response.
//!
//! ```no_run
//! use jwtkeeper_client::session::SessionLayer;
//! use jwtkeeper_client::{Config, NewClaims, tokio::Client};
//!
//! let layer = SessionLayer::new(Client::new(Config::from_env())).regenerate_claims(|old, _parts| {
//!     let user = old.get("sub");
//!     async move { user.map(|user| NewClaims::from(format!(r#"{{"sub":{user},"role":"reader"}}"#))) }
//! });
//! // axum: Router::new().route("/profile", get(profile)).route_layer(layer)
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use super::flow::{Flow, Outcome};
use super::{LockCookie, headers};
use crate::answer::Claims;
use crate::given::NewClaims;
use crate::tokio::Client;

/// A future on the heap: its type could not be written down.
pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
pub(super) type Hook = dyn Fn(&Claims, &Parts) -> Boxed<Result<Option<NewClaims<'static>>, StatusCode>> + Send + Sync;

/// What an app's hook for new claims comes to.
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

/// Authenticates the requests to a service. A request that is let through has a [`Session`](super::Session) among its
/// extensions. One that is not is answered here, with an empty body:
///
/// - 401 with `WWW-Authenticate` where there is no valid token; the lock cookie is cleared if the token is expired or
///   revoked;
/// - 503 with `Retry-After` where the token could not be judged: nothing is cleared;
/// - 500 where the set-up is wrong, or the daemon refuses the app's new claims: nothing is cleared.
///
/// A response whose handler wrote `Authorization` itself, or wrote or cleared the lock cookie (a login or a logout behind
/// the layer), is the handler's: nothing is added to it.
#[derive(Clone)]
pub struct SessionLayer {
    flow: Arc<Flow>,
}

impl SessionLayer {
    /// With the lock cookie that the daemon says is the realm's; a rotation carries the old claims over.
    pub fn new(client: Client) -> Self {
        Self {
            flow: Arc::new(Flow {
                client,
                cookie: None,
                regenerate: None,
            }),
        }
    }

    /// The lock cookie, where it is not to be what the daemon says.
    #[must_use]
    pub fn cookie(self, cookie: LockCookie) -> Self {
        let mut flow = Arc::unwrap_or_clone(self.flow);
        flow.cookie = Some(cookie);
        Self { flow: Arc::new(flow) }
    }

    /// Asks the app for new claims when a token is rotated. The hook sees the old claims, which are valid, and the
    /// request without its body; it copies what its future needs of them. The future gives `Some` new private claims,
    /// `None` to carry the old ones over, or, in a `Result`, the status to answer the request with where it cannot tell.
    #[must_use]
    pub fn regenerate_claims<F, R>(self, hook: F) -> Self
    where
        F: Fn(&Claims, &Parts) -> R + Send + Sync + 'static,
        R: Future<Output: Regenerated> + Send + 'static,
    {
        let mut flow = Arc::unwrap_or_clone(self.flow);
        flow.regenerate = Some(Arc::new(move |old, parts| {
            let future = hook(old, parts);
            Box::pin(async move { future.await.regenerated() })
        }));
        Self { flow: Arc::new(flow) }
    }
}

impl fmt::Debug for SessionLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer")
            .field("client", &self.flow.client)
            .field("cookie", &self.flow.cookie)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService {
            flow: Arc::clone(&self.flow),
            inner,
        }
    }
}

/// A service behind a [`SessionLayer`].
#[derive(Clone)]
pub struct SessionService<S> {
    flow: Arc<Flow>,
    inner: S,
}

impl<S: fmt::Debug> fmt::Debug for SessionService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, B, A> Service<Request<B>> for SessionService<S>
where
    S: Service<Request<B>, Response = Response<A>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    A: Default,
{
    type Response = Response<A>;
    type Error = S::Error;
    type Future = Boxed<Result<Response<A>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was found ready serves; its clone is asked next.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let flow = Arc::clone(&self.flow);
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let (session, successor) = match flow.authenticate(&parts).await {
                Outcome::Authenticated(session, successor) => (session, successor),
                Outcome::Refused(refusal) => return Ok(refusal.map(|()| A::default())),
            };
            parts.extensions.insert(session);
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            if let Some(successor) = successor
                && !headers::are_written(response.headers(), &flow.lock_cookie())
            {
                successor.write(response.headers_mut());
            }
            Ok(response)
        })
    }
}
