// Follows rotation in a front end: one file without dependencies, for browsers, service workers and other JavaScript. Any
// response may carry a successor of the token in its Authorization header; a front end that ignores it is logged out when
// the grace of the old token is over. docs/languages.md says more.

const BEARER = /^Bearer +(\S+)$/i;

/** Storage for where there is no localStorage. */
function memory() {
  const items = new Map();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}

/**
 * Final URLs of axios's responses. Its fetch adapter does not tell them, so `watch` has it call a fetch that notes them;
 * axios before 1.12 ignores that. `urlOf` is null where the URL is unknown.
 */
function finalUrls() {
  const urls = new WeakMap();
  const watched = new WeakMap();
  const noting = (fetch) => async (request, ...rest) => {
    const response = await fetch(request, ...rest);
    if (typeof request === 'object') {
      urls.set(request, response.url);
    }
    return response;
  };
  const watch = (config) => {
    const fetch = config.env?.fetch ?? globalThis.fetch;
    if (fetch) {
      // One for each fetch: axios caches an adapter for each. A repeated request brings the noting one.
      if (!watched.has(fetch)) {
        const noted = noting(fetch);
        watched.set(fetch, noted).set(noted, noted);
      }
      config.env = { ...config.env, fetch: watched.get(fetch) };
    }
  };
  const urlOf = (request) => {
    const isUnknown = globalThis.Request && request instanceof Request && !urls.has(request);
    return isUnknown ? null : request?.responseURL ?? request?.res?.responseUrl ?? urls.get(request);
  };
  return { watch, urlOf };
}

/** The session of this front end: the newest token, for all tabs that share the storage. */
export class Session {
  #storage;
  #key;
  #fetch;
  #origins;
  #onEnd;

  constructor({ storage = globalThis.localStorage ?? memory(), key = 'jwtkeeper', fetch, origins, onEnd } = {}) {
    this.#storage = storage;
    this.#key = key;
    this.#fetch = fetch ?? ((...given) => globalThis.fetch(...given));
    this.#origins = origins ?? [globalThis.location?.origin];
    this.#onEnd = onEnd;
    this.fetch = this.fetch.bind(this);
  }

  get token() {
    return this.#storage.getItem(this.#key);
  }

  set token(token) {
    if (token) {
      this.#storage.setItem(this.#key, token);
    } else {
      this.#storage.removeItem(this.#key);
    }
  }

  /** fetch with the token, which follows what the response says. Other origins get no token. */
  async fetch(input, init = {}) {
    if (!this.#belongs(input?.url ?? String(input))) {
      return this.#fetch(input, init);
    }
    const headers = new Headers(init.headers ?? input?.headers);
    const sent = headers.has('Authorization') ? BEARER.exec(headers.get('Authorization'))?.[1] ?? null : this.token;
    if (sent && !headers.has('Authorization')) {
      headers.set('Authorization', `Bearer ${sent}`);
    }
    const response = await this.#fetch(input, { ...init, headers });
    // After a redirect the response may be another origin's.
    if (!this.#mayFollow(response.url)) {
      return response;
    }
    this.#follow(sent, response.status, response.headers.get('Authorization'), response);
    return response;
  }

  /** Adds the same to an axios instance, and returns it. */
  axios(instance) {
    const sent = new WeakMap();
    const { watch, urlOf } = finalUrls();
    instance.interceptors.request.use((config) => {
      if (this.#belongs(instance.getUri(config))) {
        const token = BEARER.exec(config.headers.get('Authorization') ?? '')?.[1] ?? this.token;
        sent.set(config, token);
        watch(config);
        if (token) {
          config.headers.set('Authorization', `Bearer ${token}`);
        }
      }
      return config;
    });
    const follow = (response) => {
      if (sent.has(response?.config) && this.#mayFollow(urlOf(response.request))) {
        const { config, status, headers } = response;
        this.#follow(sent.get(config), status, headers.get?.('Authorization') ?? headers.authorization, response);
      }
    };
    instance.interceptors.response.use(
      (response) => {
        follow(response);
        return response;
      },
      (error) => {
        follow(error?.response);
        throw error;
      },
    );
    return instance;
  }

  #belongs(url) {
    const base = globalThis.location?.href;
    return this.#origins.includes(new URL(url, base).origin);
  }

  /** Returns true if the final URL of a response is one of the session's, or the response was made without one. */
  #mayFollow(url) {
    return url !== null && (!url || this.#belongs(url));
  }

  /**
   * Takes what a response says of the token that its request carried. A late one says nothing of a newer token, and does
   * not revive a session after logout.
   */
  #follow(sent, status, authorization, response) {
    if (this.token !== sent) {
      return;
    }
    const successor = BEARER.exec(authorization ?? '')?.[1];
    if (successor) {
      this.token = successor;
    } else if (status === 401 && sent) {
      this.token = null;
      this.#onEnd?.(response);
    }
  }
}
