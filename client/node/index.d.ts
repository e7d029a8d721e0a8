import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';

/** Claims to give: an object, or a JSON object as text, which keeps the digits of its numbers. */
export type GivenClaims = Record<string, unknown> | string | Buffer;

/** A moment: a Date, or milliseconds since 1970-01-01T00:00:00Z. Left out, the time of the call. */
export type Moment = Date | number;

export type Reason =
  | 'malformed'
  | 'algorithm_not_allowed'
  | 'unknown_key'
  | 'bad_signature'
  | 'lifetime_too_long'
  | 'expired'
  | 'not_yet_valid'
  | 'wrong_issuer'
  | 'wrong_audience'
  | 'lock_required'
  | 'revoked'
  | (string & {});

export type Cause = 'flagged' | 'stale_version' | 'retired_key' | 'unlocked' | 'rotated' | 'expiring' | (string & {});

export interface ClientOptions {
  /** The daemon's socket; otherwise JWTKEEPER_SOCKET, otherwise /run/jwtkeeper/jwtkeeper.sock. */
  socket?: string;
  /** The realm; `default` unless told otherwise. */
  realm?: string;
  /** How long a call may take in all, in milliseconds; 5000 unless told otherwise. */
  deadline?: number;
  /** How long one attempt to connect may take, in milliseconds; 2000 unless told otherwise. */
  connectTimeout?: number;
  /** The uid that the daemon must run as; otherwise JWTKEEPER_SERVER_UID, otherwise root's, this process's, or that of the
   *  owner of the socket's directory. */
  serverUid?: number;
  /** How many unused connections are kept; 16 unless told otherwise. */
  maxIdle?: number;
  /** What the client calls itself in the daemon's log. */
  name?: string;
  /** Where the lock cookie lies, as the realm's `cookie` section has it. */
  cookie?: { name?: string; domain?: string | null; path?: string | null; secure?: boolean };
}

/** The answer to validate: `if (verdict.valid)` narrows. */
export type Verdict = ValidVerdict | InvalidVerdict;
export const Verdict: { prototype: Verdict };

export interface ValidVerdict {
  readonly valid: true;
  readonly reason: null;
  /** Why it should be rotated now; null when it need not be. */
  readonly rotation: Cause | null;
  /** Its claims, as they stand in the token. */
  readonly claimsText: string;
  /** The same, parsed once: integers beyond 2^53 lose digits. */
  readonly claims: Record<string, unknown>;
}

export interface InvalidVerdict {
  readonly valid: false;
  /** Why it is not valid. */
  readonly reason: Reason;
  readonly rotation: null;
  readonly claimsText: null;
  readonly claims: null;
}

/** The lock cookie: its parts, and the header ready made. */
export class Cookie {
  private constructor();
  readonly name: string;
  readonly value: string;
  /** In seconds since 1970-01-01T00:00:00Z. */
  readonly expiresAt: number;
  readonly domain: string | null;
  readonly path: string | null;
  readonly secure: boolean;
  readonly httpOnly: boolean;
  readonly sameSite: string | null;
  readonly setCookie: string;
}

/** A token, new or a successor. */
export class Minted {
  private constructor();
  readonly valid: true;
  readonly token: string;
  readonly jti: string;
  /** In seconds since 1970-01-01T00:00:00Z. */
  readonly expiresAt: number;
  readonly cookie: Cookie | null;
  readonly claimsText: string;
  readonly claims: Record<string, unknown>;
  /** The headers of a response that carries it: Authorization, Cache-Control, and Set-Cookie where the realm locks. */
  readonly headers: Record<string, string>;
  /** Sets them. */
  writeTo(response: ResponseLike): void;
}

/** The answer of rotate and revokeToken to a token that is not valid. */
export interface Invalid {
  readonly valid: false;
  readonly reason: Reason;
}

/** A request that is authenticated. */
export class Session {
  private constructor();
  /** The claims of the token, after a rotation of its successor. */
  readonly claims: Record<string, unknown>;
  readonly claimsText: string;
  /** The token that the browser has from this response on. */
  readonly token: string;
  /** The value of its lock cookie. */
  readonly cookie: string | null;
  /** Revokes the token with its session, and takes the cookie from the browser. */
  logout(response: ResponseLike): Promise<void>;
}

/** What a request's headers come to. */
export class Outcome {
  private constructor();
  /** 200: go on. 401: not authenticated. 503: not judged now. 500: not judged until the set-up or the new claims are right. */
  readonly status: 200 | 401 | 503 | 500;
  /** Of status 200. */
  readonly session: Session | null;
  readonly claims: Record<string, unknown> | null;
  readonly token: string | null;
  /** Why a token is not valid; null without a token. */
  readonly reason: Reason | null;
  /** Why it could not be judged, of status 503 and 500. */
  readonly error: JwtKeeperError | null;
  /** Why a rotation that is due is put off. */
  readonly putOff: string | null;
  /** The headers of the response: the successor of a rotation, or those of a refusal. */
  readonly headers: Record<string, string>;
  /** Sets them. */
  writeTo(response: ResponseLike): void;
}

/** A response of node:http, or a reply of Fastify. */
export type ResponseLike =
  | ServerResponse
  | {
      header(name: string, value: unknown): unknown;
      getHeader(name: string): number | string | string[] | undefined;
      removeHeader(name: string): unknown;
    };

/** A client of one daemon in one realm. Calls wait on threads; the event loop goes on. */
export class Client {
  constructor(options?: ClientOptions);
  /** A client of another realm of the same daemon, over the same connections. */
  forRealm(realm: string): Client;
  ping(): Promise<void>;
  /** Judges a request by its headers, and rotates a token that is due: middleware of any framework can stand on it. */
  authenticate(
    headers: IncomingHttpHeaders | Headers,
    options?: { regenerateClaims?: (old: Session) => GivenClaims | null | undefined | Promise<GivenClaims | null | undefined> },
  ): Promise<Outcome>;
  /** `ttl` is in seconds. */
  issue(claims?: GivenClaims, options?: { ttl?: number }): Promise<Minted>;
  validate(token: string | Buffer, cookie?: string | null): Promise<Verdict>;
  /** The same, while the event loop stands still: for scripts. */
  validateSync(token: string | Buffer, cookie?: string | null): Verdict;
  rotate(token: string | Buffer, cookie?: string | null, options?: { claims?: GivenClaims }): Promise<Minted | Invalid>;
  flagJti(jti: string): Promise<void>;
  flagSubject(subject: string, before?: Moment): Promise<void>;
  /** Revokes a token with its session. Invalid: it is none of the realm's. */
  revokeToken(token: string | Buffer, cookie?: string | null): Promise<{ readonly valid: true } | Invalid>;
  revokeJti(jti: string): Promise<void>;
  revokeSession(session: string): Promise<void>;
  revokeSubject(subject: string, before?: Moment): Promise<void>;
  revokeIssuedBefore(before?: Moment): Promise<void>;
  status(jti: string): Promise<{ state: 'none' | 'soft' | 'hard' | 'rotated' | (string & {}); until: number | null }>;
  jwks(): Promise<{ keys: Record<string, unknown>[] }>;
  health(): Promise<{ ready: boolean; generation: number; document: Record<string, unknown> }>;
  reload(): Promise<number>;
  importStore(): Promise<{ entries: number; pending: number }>;
  /** The value of the lock cookie in a Cookie header. */
  findCookie(header: string | null | undefined): string | null;
  /** The value of a Set-Cookie header that takes the lock cookie from the browser. */
  clearCookie(): Promise<string>;
}

/** Why a call has no answer; it says nothing of the token that was asked about. */
export class JwtKeeperError extends Error {
  /** The code of jwtkeeper.h, and its name. */
  readonly code: number;
  readonly codeName: string;
  /** Another try may well be answered. */
  readonly temporary: boolean;
}
export class Unreachable extends JwtKeeperError {}
export class Timeout extends JwtKeeperError {}
export class Unavailable extends JwtKeeperError {}
export class NotPermitted extends JwtKeeperError {}
export class BadRequest extends JwtKeeperError {}
export class ReloadRefused extends JwtKeeperError {}
export class ProtocolError extends JwtKeeperError {}

declare global {
  // Express's own way to say what middleware adds to its requests.
  namespace Express {
    interface Request {
      /** Of a request that `sessions` let through. */
      jwtkeeper: Session;
    }
  }
}

/** A request that `sessions` let through, for servers other than Express. */
export interface Authenticated {
  jwtkeeper: Session;
}

export interface SessionsOptions<Request extends IncomingMessage = IncomingMessage> {
  /** Gives new claims for a token whose rotation is due; nothing carries the old ones over. */
  regenerateClaims?: (
    old: Session,
    request: Request,
  ) => GivenClaims | null | undefined | Promise<GivenClaims | null | undefined>;
  /** Ends a 401 or 503, whose status and headers are set; the status text unless set. */
  refuse?: (request: Request, response: ServerResponse, outcome: Outcome) => unknown;
  /** Receives what is to be logged: an outage at its start and its end, other faults at most once a minute. console.warn
   *  unless set. */
  log?: (message: string) => void;
}

/** Middleware for Express, and whatever else takes (request, response, next). */
export function sessions<Request extends IncomingMessage = IncomingMessage>(
  client: Client,
  options?: SessionsOptions<Request>,
): (request: Request, response: ServerResponse, next: (error?: unknown) => void) => Promise<void>;

/** The version of libjwtkeeper. */
export function version(): string;
