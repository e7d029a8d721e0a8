//! The app in Rust that is held to tests/session_flow.json, whose first member says what it must be like.

#![allow(clippy::print_stdout, reason = "it tells its port")]

use std::error::Error;
use std::time::Duration;

use axum::extract::Extension;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{Router, get};
use jwtkeeper_client::session::{Session, SessionLayer};
use jwtkeeper_client::{Config, NewClaims, tokio::Client};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let deadline = std::env::var("JWTKEEPER_TEST_DEADLINE_MS")?.parse()?;
    let config = Config::from_env()
        .with_realm(std::env::var("JWTKEEPER_TEST_REALM")?)
        .with_deadline(Duration::from_millis(deadline));
    let layer = SessionLayer::new(Client::new(config)).regenerate_claims(|_old, parts| {
        let header = parts.headers.get("X-Regenerate").cloned();
        async move { header.map(|header| NewClaims::from(header.as_bytes().to_vec())) }
    });
    let app = Router::new()
        .route("/", get(claims))
        .route_layer(layer)
        .route("/open", get(async || "open"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?.port());
    axum::serve(listener, app).await?;
    Ok(())
}

async fn claims(Extension(session): Extension<Session>) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "application/json")],
        session.claims().as_bytes().to_vec(),
    )
}
