//! A small complete app: login, a profile that only who is logged in may see, logout. In one terminal `make run`, in
//! another
//!
//! ```sh
//! JWTKEEPER_SOCKET=target/dev/jwtkeeper.sock cargo run -p jwtkeeper-example-axum
//! ```
//!
//! It prints commands to try. PORT names another port than 3000; 0 takes any.

#![allow(clippy::print_stdout, reason = "it tells how to try it")]

use std::error::Error;
use std::time::Duration;

use axum::extract::{Extension, Json, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{Router, get, post};
use jwtkeeper_client::session::{self, Session, SessionLayer};
use jwtkeeper_client::{Config, Issue, NewClaims, tokio::Client};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::new(Config::from_env().with_deadline(Duration::from_secs(2)));
    client.ping().await?;
    // When a token is rotated, its role is read anew: so a changed role reaches who is logged in.
    let layer = SessionLayer::new(client.clone()).regenerate_claims(|old, _request| {
        let user = old.get("sub").and_then(|user| user.as_str().map(str::to_owned));
        async move { user.map(|user| claims_of(&user)) }
    });
    let app = Router::new()
        .route("/profile", get(profile))
        .route("/logout", post(logout))
        .route_layer(layer) // the routes above it
        .route("/login", post(login))
        .with_state(client);
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("listening on {url}");
    println!("{}", commands(&url));
    axum::serve(listener, app).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

async fn login(State(client): State<Client>, Json(given): Json<Credentials>) -> Result<impl IntoResponse, Failure> {
    // An app of yours looks its users up, and compares a hash of the password.
    if (given.user.as_str(), given.password.as_str()) != ("demo", "demo") {
        return Err(Failure(StatusCode::UNAUTHORIZED));
    }
    let minted = client.issue(Issue::new().claims(claims_of(&given.user))).await?;
    let mut headers = HeaderMap::new();
    session::write(&mut headers, &minted)?;
    Ok((StatusCode::NO_CONTENT, headers))
}

#[derive(Serialize, Deserialize)]
struct Profile {
    #[serde(rename(deserialize = "sub"))]
    user: String,
    role: String,
}

async fn profile(Extension(session): Extension<Session>) -> Result<Json<Profile>, Failure> {
    Ok(Json(session.claims_as::<Profile>()?))
}

async fn logout(
    State(client): State<Client>,
    Extension(session): Extension<Session>,
) -> Result<impl IntoResponse, Failure> {
    // Invalid would mean that it is revoked already.
    let _done = client.revoke(session.revoke()).await?;
    let mut headers = HeaderMap::new();
    session::clear(&mut headers, session.lock_cookie())?;
    Ok((StatusCode::NO_CONTENT, headers))
}

fn claims_of(user: &str) -> NewClaims<'static> {
    json!({ "sub": user, "role": "reader" }).into()
}

/// What a handler could not do.
struct Failure(StatusCode);

impl IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        match self.0 {
            StatusCode::SERVICE_UNAVAILABLE => (self.0, [(header::RETRY_AFTER, "1")]).into_response(),
            status => status.into_response(),
        }
    }
}

impl From<jwtkeeper_client::Error> for Failure {
    fn from(error: jwtkeeper_client::Error) -> Self {
        let status = StatusCode::from_u16(session::status(&error));
        Self(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(_: serde_json::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<axum::http::header::InvalidHeaderValue> for Failure {
    fn from(_: axum::http::header::InvalidHeaderValue) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

fn commands(url: &str) -> String {
    format!(
        r#"
Log in, and keep the token of the response's Authorization header:
  TOKEN=$(curl -si {url}/login -H 'Content-Type: application/json' -d '{{"user":"demo","password":"demo"}}' | tr -d '\r' | sed -n 's/^authorization: Bearer //Ip')
See the profile:
  curl -i {url}/profile -H "Authorization: Bearer $TOKEN"
Flag what the user holds, as when a role has changed: the next look at the profile brings a new token along:
  target/release/jwtkeeperctl --socket target/dev/jwtkeeper.sock flag --subject demo
Log out; the profile is then closed:
  curl -i -X POST {url}/logout -H "Authorization: Bearer $TOKEN"
"#
    )
}
