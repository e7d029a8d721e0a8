//! Every operation with the blocking client. The async one has the same methods.

#![allow(clippy::print_stdout)]

use std::time::Duration;

use jwtkeeper_client::{Before, Config, Flag, Issue, Revoke, Rotation, Verdict, blocking::Client};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::new(Config::from_env()); // JWTKEEPER_SOCKET, or /run/jwtkeeper/jwtkeeper.sock

    let minted = client.issue(Issue::new().claims(r#"{"sub":"42"}"#).ttl(Duration::from_secs(3600)))?;
    match client.validate(minted.token())? {
        Verdict::Valid { claims, rotation } => println!("{:?}, rotation: {rotation:?}", claims.get("sub")),
        Verdict::Invalid(reason) => println!("not authenticated: {reason}"),
    }

    client.flag(Flag::jti(&minted.jti))?; // rotation is due on next sight
    println!("rotation: {:?}", client.validate(minted.token())?.rotation());
    let Rotation::Rotated(successor) = client.rotate(minted.token())? else {
        return Ok(());
    };
    println!("status: {}", client.status(&minted.jti)?.state);

    let _done = client.revoke(Revoke::token(successor.token(), None))?; // its whole session
    client.revoke_subject("42", Before::Now)?; // every login of 42 until now
    println!("{:?}", client.validate(successor.token())?);
    println!(
        "ready: {}, {} bytes of JWKS",
        client.health()?.ready,
        client.jwks()?.as_bytes().len()
    );
    Ok(())
}
