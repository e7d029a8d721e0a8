import type { IncomingMessage, ServerResponse } from 'node:http';

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

/** The answer to validate. */
export class Verdict {
  private constructor();
  readonly valid: boolean;
  /** Why it is not valid. */
  readonly reason: Reason | null;
  /** Why a valid token should be rotated now. */
  readonly rotation: Cause | null;
  /** Its claims, as they stand in the token. */
  readonly claimsText: string | null;
  /** The same, parsed: integers beyond 2^53 lose digits. */
  readonly claims: Record<string, unknown> | null;
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
  /** Gives it to the browser: the Authorization header, and Set-Cookie where the realm locks. */
  writeTo(response: ServerResponse): void;
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
  logout(response: ServerResponse): Promise<void>;
}

/** A client of one daemon in one realm. Calls wait on threads; the event loop goes on. */
export class Client {
  constructor(options?: ClientOptions);
  /** A client of another realm of the same daemon, over the same connections. */
  forRealm(realm: string): Client;
  ping(): Promise<void>;
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
  /** Hears of requests that could not be judged, and of rotations put off; console.warn unless told otherwise. */
  log?: (message: string) => void;
}

/** Middleware for Express, and whatever else takes (request, response, next). */
export function sessions<Request extends IncomingMessage = IncomingMessage>(
  client: Client,
  options?: SessionsOptions<Request>,
): (request: Request, response: ServerResponse, next: (error?: unknown) => void) => Promise<void>;

/** The version of libjwtkeeper. */
export function version(): string;
