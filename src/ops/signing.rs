//! Signatures and their price, beside the connection that asked.

use std::sync::Arc;

use jwtkeeper_core::keeper::{Minted, RealmState, Refusal, Unsigned};

use crate::server::Context;
use crate::server::rate::Bucket;
use crate::server::signers::is_slow;

/// Signs where it holds nobody up: what is slow with the signers, only so much of a uid at a time.
pub(super) async fn sign_aside(
    context: &Context,
    bucket: &Bucket,
    served: &Arc<RealmState>,
    unsigned: Unsigned,
) -> Result<Minted, Refusal> {
    if !is_slow(unsigned.algorithm) {
        return unsigned.sign(served);
    }
    let (permit, served) = (bucket.signing_permit().await, served.clone());
    let signed = context.signers.spawn(async move {
        let signed = unsigned.sign(&served);
        drop(permit);
        signed
    });
    signed.await.unwrap_or(Err(Refusal::Crypto))
}

/// Charges a uid for work that was done beside its connection.
pub(super) fn charge(context: &Context, bucket: &Bucket, points: usize) {
    if points > 0 {
        let per_second = context.live.snapshot().settings.limits.requests_per_uid;
        bucket.take(points, per_second, tokio::time::Instant::now());
    }
}
