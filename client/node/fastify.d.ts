import type { IncomingHttpHeaders } from 'node:http';
import type { Client, GivenClaims, Outcome, Session } from './index';

/** What the hook uses of Fastify's request and reply, whichever version. */
export interface RequestLike {
  headers: IncomingHttpHeaders;
}
export interface ReplyLike {
  code(status: number): unknown;
  header(name: string, value: unknown): unknown;
  send(body?: unknown): unknown;
}

export interface SessionsOptions<Request extends RequestLike = RequestLike, Reply extends ReplyLike = ReplyLike> {
  /** Gives new claims for a token whose rotation is due; nothing carries the old ones over. */
  regenerateClaims?: (
    old: Session,
    request: Request,
  ) => GivenClaims | null | undefined | Promise<GivenClaims | null | undefined>;
  /** Sends the body of a 401 or 503, whose status and headers are set. */
  refuse?: (request: Request, reply: Reply, outcome: Outcome) => unknown;
  /** Receives what is to be logged; console.warn unless set. */
  log?: (message: string) => void;
}

/** A hook for onRequest: of a route, of a plugin's scope, or of the whole app. `request.jwtkeeper` is the session. */
export function sessions<Request extends RequestLike = RequestLike, Reply extends ReplyLike = ReplyLike>(
  client: Client,
  options?: SessionsOptions<Request, Reply>,
): (request: Request, reply: Reply) => Promise<unknown>;
