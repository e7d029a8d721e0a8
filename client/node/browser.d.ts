export interface SessionOptions {
  /** Where the token lies; localStorage, which all tabs share, or else memory. */
  storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
  /** Its name there; `jwtkeeper` unless set. */
  key?: string;
  /** What asks; the global fetch unless set. */
  fetch?: typeof fetch;
  /** The origins that get the token; that of the page unless set. */
  origins?: string[];
  /** Called when a request with the newest token was answered 401: log in again. */
  onEnd?: (response: unknown) => void;
}

/** What an axios instance has. */
export interface AxiosLike {
  getUri(config?: any): string;
  interceptors: { request: { use: any }; response: { use: any } };
}

/** The session of this front end: it sends the token, and follows its rotation. */
export class Session {
  constructor(options?: SessionOptions);
  /** The newest token; null when nobody is logged in. Set it to null to forget it. */
  get token(): string | null;
  set token(token: string | null);
  /** fetch with the token; bound, so that it can be handed on. */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** Adds the same to an axios instance, and returns it. */
  axios<Instance extends AxiosLike>(instance: Instance): Instance;
}
