<?php
// A client of jwtkeeperd over libjwtkeeper by FFI: issue, validate, revoke, and the session flow. Copy it, and add the
// calls of jwtkeeper.h that you need. FFI must be enabled (ffi.enable) for scripts of a web server.

declare(strict_types=1);

final class JwtKeeperError extends RuntimeException
{
}

/** A request that is authenticated: its claims (JSON), and what the browser has from this response on. */
final class JwtKeeperSession
{
    private ?stdClass $decoded = null;

    public function __construct(
        #[\SensitiveParameter] public readonly string $claims,
        #[\SensitiveParameter] private string $token,
        #[\SensitiveParameter] private ?string $cookie,
    ) {
    }

    /** The claims, parsed once; integers beyond 64 bits as strings. */
    public function decode(): stdClass
    {
        return $this->decoded ??= json_decode($this->claims, flags: JSON_BIGINT_AS_STRING | JSON_THROW_ON_ERROR);
    }

    public function token(): string
    {
        return $this->token;
    }

    public function cookie(): ?string
    {
        return $this->cookie;
    }

    public function __debugInfo(): array
    {
        return [];
    }
}

/** The result of authenticating a request. */
final class JwtKeeperOutcome
{
    /**
     * $status: 200 go on, 401 not authenticated, 503 not judged now, 500 not judged until something is fixed.
     * $reason: why a token is not valid, such as "expired"; null without one.
     * $message: why it could not be judged, or why a rotation that is due is put off.
     * $headers: those of the response, as name => value: the successor of a rotation, or those of a refusal.
     */
    public function __construct(
        public readonly int $status,
        public readonly ?JwtKeeperSession $session,
        public readonly ?string $reason,
        public readonly ?string $message,
        #[\SensitiveParameter] public readonly array $headers,
    ) {
    }

    public function __debugInfo(): array
    {
        return ['status' => $this->status, 'reason' => $this->reason, 'message' => $this->message];
    }
}

final class JwtKeeper
{
    /** The longest time to wait, in milliseconds: a year. */
    private const LONGEST = 366 * 24 * 3600 * 1000;

    private FFI $c;
    private FFI\CData $client;
    private FFI\CData $reply;
    /** Each operation's outage: the requests that failed, the time of the last in nanoseconds, the lines logged. */
    private array $outages = [];

    /** What is left out is as libjwtkeeper has it: the socket of JWTKEEPER_SOCKET, the realm "default", 5 seconds. */
    public function __construct(
        ?string $realm = null,
        ?int $deadlineMs = null,
        ?string $header = null,
        ?int $serverUid = null,
    ) {
        if ($deadlineMs !== null && ($deadlineMs < 1 || $deadlineMs > self::LONGEST)) {
            throw new ValueError('deadlineMs must be from 1 to ' . self::LONGEST . ", not $deadlineMs");
        }
        if ($serverUid !== null && ($serverUid < 0 || $serverUid > 0xFFFFFFFF)) {
            throw new ValueError("serverUid must be from 0 to 4294967295, not $serverUid");
        }
        $this->c = self::load($header ?? '/usr/local/include/jwtkeeper.h');
        $this->reply = $this->c->jwtkeeper_reply_new();
        $config = $this->c->jwtkeeper_config_new();
        try {
            if ($realm !== null) {
                $this->check($this->c->jwtkeeper_config_set_realm($config, $realm, strlen($realm)));
            }
            if ($deadlineMs !== null) {
                $this->check($this->c->jwtkeeper_config_set_deadline_ms($config, $deadlineMs));
            }
            if ($serverUid !== null) {
                $this->check($this->c->jwtkeeper_config_set_server_uid($config, $serverUid));
            }
            $client = $this->c->new('jwtkeeper_client *');
            $this->check($this->c->jwtkeeper_client_new($config, FFI::addr($client)));
        } finally {
            $this->c->jwtkeeper_config_free($config);
        }
        $this->client = $client;
    }

    /** Mints a token for these claims and sends it: the Authorization header, and the lock cookie where the realm locks. */
    public function login(array $claims, ?int $ttl = null): void
    {
        if ($ttl !== null && $ttl < 0) {
            throw new ValueError("ttl must be a number of seconds, not negative: $ttl");
        }
        $json = json_encode((object) $claims, JSON_THROW_ON_ERROR);
        $client = $this->client();
        $ttl ??= $this->c->JWTKEEPER_REALM_EXPIRY;
        $this->check($this->c->jwtkeeper_issue($client, $json, strlen($json), $ttl, $this->reply));
        $this->send($this->minted());
    }

    /** Any value is a token to judge. The attributes keep both out of the traces of exceptions. */
    public function validate(#[\SensitiveParameter] mixed $token, #[\SensitiveParameter] ?string $cookie = null): bool
    {
        $token = is_string($token) ? $token : '';
        [$client, $length] = [$this->client(), strlen($cookie ?? '')];
        $this->check($this->c->jwtkeeper_validate($client, $token, strlen($token), $cookie, $length, $this->reply));
        return $this->c->jwtkeeper_reply_valid($this->reply) === 1;
    }

    /** Revokes a session's token with all its session, and clears what the browser has. */
    public function logout(JwtKeeperSession $session): void
    {
        [$token, $cookie] = [$session->token(), $session->cookie()];
        [$length, $cookieLength] = [strlen($token), strlen($cookie ?? '')];
        $client = $this->client();
        $this->check($this->c->jwtkeeper_revoke_token($client, $token, $length, $cookie, $cookieLength, $this->reply));
        header_remove('Authorization');
        $this->check($this->c->jwtkeeper_cookie_clear($client, $this->reply));
        $this->send(['Set-Cookie' => $this->show('set_cookie')]);
    }

    /**
     * Lets through requests with a valid token, and rotates one that is due: $regenerate is given the old claims (JSON)
     * and gives new ones, or null to carry the old over. Requests without one are answered 401, those that cannot be
     * judged now 503, and the script ends. $refuse is given the JwtKeeperOutcome and writes the body; status and headers
     * are set.
     */
    public function protect(?callable $regenerate = null, ?callable $refuse = null): JwtKeeperSession
    {
        $outcome = $this->authenticate($_SERVER, $regenerate);
        $this->report($outcome);
        if ($outcome->status === 401) {
            header_remove('Authorization');
        }
        $this->send($outcome->headers);
        if ($outcome->session !== null) {
            return $outcome->session;
        }
        http_response_code($outcome->status);
        if ($refuse !== null) {
            $refuse($outcome);
        }
        exit;
    }

    /**
     * Judges a request by its headers, as $_SERVER has them, and rotates a token that is due. It sends nothing and ends
     * nothing: `protect` is built on it, and so can middleware of any framework be.
     */
    public function authenticate(#[\SensitiveParameter] array $server, ?callable $regenerate = null): JwtKeeperOutcome
    {
        $authorization = $server['HTTP_AUTHORIZATION'] ?? '';
        $header = $server['HTTP_COOKIE'] ?? '';
        $client = $this->client();
        $code = $this->c->jwtkeeper_session_authenticate(
            $client, $authorization, strlen($authorization), $header ?: null, strlen($header), $this->reply
        );
        if ($code === 0 && $this->c->jwtkeeper_reply_cause($this->reply) !== 0) {
            $claims = $this->renewed($regenerate);
            $code = $this->c->jwtkeeper_session_rotate($client, $claims, strlen($claims ?? ''), $this->reply);
        }
        return $this->outcome($code);
    }

    /** A copy would free the client of the original. Make another, or share the one. */
    private function __clone()
    {
    }

    public function __serialize(): array
    {
        throw new JwtKeeperError('a JwtKeeper cannot be serialized: make one in each process');
    }

    /** Frees what C holds, when the script ends. Later calls are an error. */
    public function __destruct()
    {
        if (isset($this->client)) {
            $this->c->jwtkeeper_client_free($this->client);
            unset($this->client);
        }
        if (isset($this->reply)) {
            $this->c->jwtkeeper_reply_free($this->reply);
            unset($this->reply);
        }
    }

    public function version(): string
    {
        return ($this->c ?? throw new JwtKeeperError('this JwtKeeper was never constructed'))->jwtkeeper_version();
    }

    public function __debugInfo(): array
    {
        return [];
    }

    /** The header without what only a compiler needs. */
    private static function declarations(string $header): string
    {
        $text = @file_get_contents($header);
        if ($text === false) {
            throw new JwtKeeperError("cannot read $header: run make install-lib, or give its path as `header`");
        }
        $text = preg_replace('/^#ifdef __cplusplus.*?^#endif[^\n]*/ms', '', $text);
        return preg_replace('/^\s*#[^\n]*/m', '', $text);
    }

    private static function load(string $header): FFI
    {
        $library = getenv('JWTKEEPER_LIBRARY') ?: 'libjwtkeeper.so.0';
        try {
            return FFI::cdef(self::declarations($header), $library);
        } catch (FFI\Exception $error) {
            $fault = "cannot use $library with $header: " . $error->getMessage();
            throw new JwtKeeperError("$fault; both must be there, and of the same release", 0, $error);
        }
    }

    private function client(): FFI\CData
    {
        return $this->client ?? throw new JwtKeeperError('this JwtKeeper is closed, or was never constructed');
    }

    /** New claims of the app's. Its function may ask the daemon: the reply is kept for the rotation meanwhile. */
    private function renewed(?callable $regenerate): ?string
    {
        if ($regenerate === null) {
            return null;
        }
        $claims = $this->show('claims');
        [$kept, $this->reply] = [$this->reply, $this->c->jwtkeeper_reply_new()];
        try {
            return $regenerate($claims);
        } finally {
            $this->c->jwtkeeper_reply_free($this->reply);
            $this->reply = $kept;
        }
    }

    private function outcome(int $code): JwtKeeperOutcome
    {
        $status = $this->c->jwtkeeper_reply_status($this->reply);
        $message = $this->show('message') ?: null;
        if ($code !== 0) {
            $headers = $status === 503 ? ['Retry-After' => '1'] : [];
            return new JwtKeeperOutcome($status, null, null, $message, $headers);
        }
        if ($status === 401) {
            $headers = ['WWW-Authenticate' => $this->show('challenge'), 'Set-Cookie' => $this->show('set_cookie')];
            $reason = $this->c->jwtkeeper_reply_reason($this->reply);
            $name = $reason === 0 ? null : $this->c->jwtkeeper_reason_name($reason);
            return new JwtKeeperOutcome($status, null, $name, null, array_filter($headers));
        }
        [$claims, $token] = [$this->show('claims'), $this->show('token')];
        if ($token === null) {
            $session = new JwtKeeperSession($claims, $this->show('presented'), $this->show('presented_cookie'));
            return new JwtKeeperOutcome($status, $session, null, $message, []);
        }
        $session = new JwtKeeperSession($claims, $token, $this->show('cookie_value'));
        return new JwtKeeperOutcome($status, $session, null, null, $this->minted());
    }

    /** Logs outages in servers that keep this object between requests, and each failed request in others. */
    private function report(JwtKeeperOutcome $outcome): void
    {
        if ($outcome->status >= 500) {
            $away = 'jwtkeeperd does not answer; requests get 503 until it does';
            $what = $outcome->status === 503 ? $away : 'requests get 500';
            $this->fails('validate', "$what: $outcome->message");
            return;
        }
        // Without a token, or with text that is none, the daemon is not asked.
        if ($outcome->status === 200 || !in_array($outcome->reason, [null, 'malformed'], true)) {
            $this->answers('validate', 'jwtkeeperd answers again');
        }
        if ($outcome->message !== null) {
            $this->fails('rotate', "rotation is put off: $outcome->message");
        } elseif (isset($outcome->headers['Authorization'])) {
            $this->answers('rotate', 'tokens are rotated again');
        }
    }

    /** Logs each error of an outage once. */
    private function fails(string $operation, string $line): void
    {
        $outage = &$this->outages[$operation];
        $outage['requests'] = ($outage['requests'] ?? 0) + 1;
        $outage['last'] = hrtime(true);
        if (!isset($outage['logged'][$line])) {
            $outage['logged'][$line] = true;
            error_log("jwtkeeper: $line");
        }
    }

    /** Ends an outage a second after its last failure: under load failures and answers alternate. */
    private function answers(string $operation, string $line): void
    {
        $outage = $this->outages[$operation] ?? null;
        if ($outage !== null && hrtime(true) - $outage['last'] >= 1_000_000_000) {
            unset($this->outages[$operation]);
            error_log("jwtkeeper: $line: {$outage['requests']} requests failed");
        }
    }

    /** The headers of a response that carries the reply's token. Such a response must not be stored by caches. */
    private function minted(): array
    {
        $headers = ['Authorization' => $this->show('authorization'), 'Cache-Control' => 'no-store'];
        return array_filter([...$headers, 'Set-Cookie' => $this->show('set_cookie')]);
    }

    /** Sends headers in the place of earlier ones; a cookie only in the place of its namesake. */
    private function send(#[\SensitiveParameter] array $headers): void
    {
        if (isset($headers['Authorization'])) {
            header_register_callback(self::keepUnstored(...));
        }
        foreach ($headers as $name => $value) {
            if ($name === 'Set-Cookie') {
                $this->setCookie($value);
            } else {
                header("$name: $value");
            }
        }
    }

    /** Runs when PHP sends the headers, after the app has set its own: a response with a token is never stored. */
    private static function keepUnstored(): void
    {
        foreach (headers_list() as $header) {
            if (stripos($header, 'Authorization:') === 0) {
                header('Cache-Control: no-store');
            }
        }
    }

    private function setCookie(#[\SensitiveParameter] string $line): void
    {
        $name = strtok($line, '=');
        $earlier = array_filter(headers_list(), fn ($header) => stripos($header, 'Set-Cookie:') === 0);
        header_remove('Set-Cookie');
        foreach ($earlier as $header) {
            if (stripos($header, "Set-Cookie: $name=") !== 0) {
                header($header, false);
            }
        }
        header("Set-Cookie: $line", false);
    }

    /** What the reply shows; null where there is none. FFI makes strings of what C shows, up to the NUL. */
    private function show(string $what): ?string
    {
        return $this->c->{"jwtkeeper_reply_$what"}($this->reply, null);
    }

    private function check(int $code): void
    {
        if ($code !== 0) {
            $message = $this->show('message') ?: $this->c->jwtkeeper_code_meaning($code);
            throw new JwtKeeperError($this->c->jwtkeeper_code_name($code) . ": $message", $code);
        }
    }
}
