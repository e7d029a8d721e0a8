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

use super::LockCookie;
use super::outcome::{Outcome, Refusal};
use super::sessions::{Regenerated, Sessions};
use crate::answer::Claims;
use crate::given::NewClaims;
use crate::tokio::Client;

/// A future on the heap: its type could not be written down.
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Hook = dyn Fn(&Claims, &Parts) -> Boxed<Result<Option<NewClaims<'static>>, StatusCode>> + Send + Sync;

/// The answer to requests that do not go on.
pub trait Refuse<B> {
    /// The answer to one. What it lacks of the refusal's headers is added to it.
    fn refuse(&self, refusal: &Refusal, request: &Parts) -> Response<B>;
}

/// Answers with the refusal's status and an empty body.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmptyBody;

impl<B: Default> Refuse<B> for EmptyBody {
    fn refuse(&self, refusal: &Refusal, _: &Parts) -> Response<B> {
        refusal.response()
    }
}

/// Answers as a function of the app's does.
#[derive(Clone)]
pub struct RefuseWith<F>(F);

impl<F> fmt::Debug for RefuseWith<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefuseWith")
    }
}

impl<B, F: Fn(&Refusal, &Parts) -> Response<B>> Refuse<B> for RefuseWith<F> {
    fn refuse(&self, refusal: &Refusal, request: &Parts) -> Response<B> {
        (self.0)(refusal, request)
    }
}

/// Authenticates the requests to a service. A request that is let through has a [`Session`](super::Session) among its
/// extensions. One that is not is answered here, with an empty body unless [`SessionLayer::refuse_with`] says
/// otherwise:
///
/// - 401 with `WWW-Authenticate` where there is no valid token; the lock cookie is cleared if the token is expired or
///   revoked;
/// - 503 with `Retry-After` where the token could not be judged: nothing is cleared;
/// - 500 where the set-up is wrong, or the daemon refuses the app's new claims: nothing is cleared.
///
/// A response whose handler wrote `Authorization` itself, or wrote or cleared the lock cookie (a login or a logout
/// behind the layer), is the handler's: nothing is added to it. A response that carries a new token has
/// `Cache-Control: no-store`. Causes of 503 and 500 are logged: see [`Sessions`].
#[derive(Clone)]
pub struct SessionLayer<R = EmptyBody> {
    flow: Arc<Flow>,
    refuse: R,
}

/// The steps that every request of a layer goes through.
#[derive(Clone)]
struct Flow {
    sessions: Sessions,
    regenerate: Option<Arc<Hook>>,
}

impl Flow {
    async fn authenticate(&self, parts: &Parts) -> Outcome {
        let Some(regenerate) = &self.regenerate else {
            return self.sessions.authenticate(&parts.headers).await;
        };
        let regenerate = |old: &Claims| regenerate(old, parts);
        self.sessions.authenticate_with(&parts.headers, regenerate).await
    }
}

impl SessionLayer {
    /// With the lock cookie that the daemon says is the realm's; a rotation carries the old claims over.
    pub fn new(client: Client) -> Self {
        Self::of(Sessions::new(client))
    }

    /// With sessions that the app uses elsewhere too.
    pub fn of(sessions: Sessions) -> Self {
        Self {
            flow: Arc::new(Flow {
                sessions,
                regenerate: None,
            }),
            refuse: EmptyBody,
        }
    }
}

impl<R> SessionLayer<R> {
    /// The lock cookie, where it is not to be what the daemon says.
    #[must_use]
    pub fn cookie(mut self, cookie: LockCookie) -> Self {
        let flow = Arc::make_mut(&mut self.flow);
        flow.sessions = flow.sessions.clone().cookie(cookie);
        self
    }

    /// Asks the app for new claims when a token is rotated. The hook sees the old claims, which are valid, and the
    /// request without its body; it copies what its future needs of them. The future gives `Some` new private claims,
    /// `None` to carry the old ones over, or, in a `Result`, the status to answer the request with where it cannot
    /// tell.
    #[must_use]
    pub fn regenerate_claims<F, T>(mut self, hook: F) -> Self
    where
        F: Fn(&Claims, &Parts) -> T + Send + Sync + 'static,
        T: Future<Output: Regenerated> + Send + 'static,
    {
        Arc::make_mut(&mut self.flow).regenerate = Some(Arc::new(move |old, parts| {
            let future = hook(old, parts);
            Box::pin(async move { future.await.regenerated() })
        }));
        self
    }

    /// Answers refused requests as this function does, in place of the status with an empty body: a page, or a JSON
    /// body with a reason of the app's. `WWW-Authenticate`, `Retry-After` and the cleared cookie are added where it has
    /// not set its own.
    #[must_use]
    pub fn refuse_with<F, B>(self, answer: F) -> SessionLayer<RefuseWith<F>>
    where
        F: Fn(&Refusal, &Parts) -> Response<B>,
    {
        SessionLayer {
            flow: self.flow,
            refuse: RefuseWith(answer),
        }
    }
}

impl<R> fmt::Debug for SessionLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer")
            .field("sessions", &self.flow.sessions)
            .finish_non_exhaustive()
    }
}

impl<S, R: Clone> Layer<S> for SessionLayer<R> {
    type Service = SessionService<S, R>;

    fn layer(&self, inner: S) -> SessionService<S, R> {
        SessionService {
            flow: Arc::clone(&self.flow),
            refuse: self.refuse.clone(),
            inner,
        }
    }
}

/// A service behind a [`SessionLayer`].
#[derive(Clone)]
pub struct SessionService<S, R = EmptyBody> {
    flow: Arc<Flow>,
    refuse: R,
    inner: S,
}

impl<S: fmt::Debug, R> fmt::Debug for SessionService<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, R, B, A> Service<Request<B>> for SessionService<S, R>
where
    S: Service<Request<B>, Response = Response<A>> + Clone + Send + 'static,
    S::Future: Send,
    R: Refuse<A> + Clone + Send + 'static,
    B: Send + 'static,
    A: 'static,
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
        let (flow, refuse) = (Arc::clone(&self.flow), self.refuse.clone());
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let authenticated = match flow.authenticate(&parts).await {
                Outcome::Authenticated(authenticated) => authenticated,
                Outcome::Refused(refusal) => {
                    let mut response = refuse.refuse(&refusal, &parts);
                    refusal.apply(response.headers_mut());
                    return Ok(response);
                }
            };
            parts.extensions.insert(authenticated.session().clone());
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            authenticated.apply(response.headers_mut());
            Ok(response)
        })
    }
}
