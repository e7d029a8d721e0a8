//! `issue`.

use jwtkeeper_core::keeper::{Minted, Names, RealmState};

use super::outcome::{Facts, Outcome, done, later, refused};
use super::signing::sign_aside;
use super::{Answered, Call, Dispatch, No};
use crate::server::Context;
use crate::server::reply::{put_issued, put_refusal};
use crate::server::signers::is_slow;

impl Dispatch {
    pub(super) fn issue(
        &mut self,
        call: &Call<'_>,
        claims: &[u8],
        ttl: Option<u64>,
        out: &mut Vec<u8>,
    ) -> Result<Answered, No> {
        let served = self.served(call)?;
        let (id, now) = (call.id, call.moment.now);
        let unsigned = match self.context.keeper.issue(served, now, claims, ttl) {
            Ok(unsigned) => unsigned,
            Err(refusal) => return Ok(Answered::Now(put_refusal(id, &refusal, out), Facts::default())),
        };
        if is_slow(unsigned.algorithm) {
            let (context, served, bucket) = (self.context.clone(), served.clone(), self.bucket.clone());
            return Ok(later(async move {
                match sign_aside(&context, &bucket, &served, unsigned).await {
                    Ok(minted) => done(|out| put_minted(&context, &served, id, &minted, out)),
                    Err(refusal) => refused(id, &refusal),
                }
            }));
        }
        let (outcome, facts) = match unsigned.sign(served) {
            Ok(minted) => put_minted(&self.context, served, id, &minted, out),
            Err(refusal) => (put_refusal(id, &refusal, out), Facts::default()),
        };
        Ok(Answered::Now(outcome, facts))
    }
}

fn put_minted(context: &Context, served: &RealmState, id: u64, minted: &Minted, out: &mut Vec<u8>) -> (Outcome, Facts) {
    let outcome = put_issued(id, minted, &served.realm.policy.cookie, out);
    let names = || Facts::of(Names::of_claims(served, minted.claims.as_bytes()));
    (outcome, context.facts(names))
}
