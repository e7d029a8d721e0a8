// Compiled, never run: what index.d.ts promises is enough to write an app.

import { Client, JwtKeeperError, Minted, sessions, type Authenticated } from 'jwtkeeper';
import { createServer, type IncomingMessage } from 'node:http';

const client = new Client({ deadline: 500, cookie: { name: 'lock', domain: null } });
const protect = sessions(client, { regenerateClaims: async (old) => ({ role: old.claims['role'] }) });

createServer((request, response) => {
  void protect(request, response, (error) => {
    const { jwtkeeper } = request as IncomingMessage & Authenticated;
    response.end(error ? 'error' : jwtkeeper.claimsText);
  });
});

export async function life(): Promise<string> {
  const minted: Minted = await client.issue({ sub: '42' }, { ttl: 60 });
  const verdict = await client.validate(minted.token, minted.cookie?.value);
  if (!verdict.valid) return verdict.reason;
  const role: unknown = verdict.claims['role'];
  // @ts-expect-error: a verdict that is not looked at has perhaps no claims
  (await client.validate('a.b.c')).claims['role'];
  const outcome = await client.authenticate({ authorization: `Bearer ${minted.token}` });
  if (outcome.status !== 200) return outcome.reason ?? outcome.error?.codeName ?? String(role);
  const rotated = await client.rotate(minted.token);
  if (!rotated.valid) return rotated.reason;
  try {
    await client.revokeSubject('42', new Date());
  } catch (error) {
    if (error instanceof JwtKeeperError && error.temporary) return error.codeName;
    throw error;
  }
  // @ts-expect-error: there is no such member
  return rotated.secret;
}
