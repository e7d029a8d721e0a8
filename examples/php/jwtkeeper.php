<?php
// A client of jwtkeeperd over libjwtkeeper by FFI: issue, validate, revoke, and the session flow. Copy it, and add the
// calls of jwtkeeper.h that you need. FFI must be enabled (ffi.enable) for scripts of a web server.

declare(strict_types=1);

final class JwtKeeperError extends RuntimeException
{
}

/** A request that Protect let through: its claims (JSON), and what the browser has from this response on. */
final class JwtKeeperSession
{
    public function __construct(
        #[\SensitiveParameter] public readonly string $claims,
        #[\SensitiveParameter] private string $token,
        #[\SensitiveParameter] private ?string $cookie,
    ) {
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

final class JwtKeeper
{
    private FFI $c;
    private FFI\CData $client;
    private FFI\CData $reply;
    private FFI\CData $length;

    /** What is left out is as libjwtkeeper has it: the socket of JWTKEEPER_SOCKET, the realm "default", 5 seconds. */
    public function __construct(
        ?string $realm = null,
        ?int $deadlineMs = null,
        ?string $header = null,
        ?int $serverUid = null,
    ) {
        $library = getenv('JWTKEEPER_LIBRARY') ?: 'libjwtkeeper.so.0';
        $this->c = FFI::cdef(self::declarations($header ?? '/usr/local/include/jwtkeeper.h'), $library);
        $this->length = $this->c->new('size_t');
        $this->reply = $this->c->jwtkeeper_reply_new();
        $config = $this->c->jwtkeeper_config_new();
        if ($realm !== null) {
            $this->check($this->c->jwtkeeper_config_set_realm($config, $realm, strlen($realm)));
        }
        if ($deadlineMs !== null) {
            $this->check($this->c->jwtkeeper_config_set_deadline_ms($config, $deadlineMs));
        }
        if ($serverUid !== null) {
            if ($serverUid < 0 || $serverUid > 0xFFFFFFFF) {
                throw new ValueError("serverUid is no uid: $serverUid");
            }
            $this->check($this->c->jwtkeeper_config_set_server_uid($config, $serverUid));
        }
        $client = $this->c->new('jwtkeeper_client *');
        $this->check($this->c->jwtkeeper_client_new($config, FFI::addr($client)));
        $this->c->jwtkeeper_config_free($config);
        $this->client = $client;
    }

    /** Mints a token for these claims and sends it: the Authorization header, and the lock cookie where the realm locks. */
    public function login(array $claims): void
    {
        $json = json_encode((object) $claims, JSON_THROW_ON_ERROR);
        $expiry = $this->c->JWTKEEPER_REALM_EXPIRY;
        $this->check($this->c->jwtkeeper_issue($this->client, $json, strlen($json), $expiry, $this->reply));
        $this->send();
    }

    /** The attributes keep both out of the traces of exceptions. */
    public function validate(#[\SensitiveParameter] string $token, #[\SensitiveParameter] ?string $cookie = null): bool
    {
        [$client, $length] = [$this->client, strlen($cookie ?? '')];
        $this->check($this->c->jwtkeeper_validate($client, $token, strlen($token), $cookie, $length, $this->reply));
        return $this->c->jwtkeeper_reply_valid($this->reply) === 1;
    }

    /** Revokes a session's token with all its session, and clears what the browser has. */
    public function logout(JwtKeeperSession $session): void
    {
        [$token, $cookie] = [$session->token(), $session->cookie()];
        [$length, $cookieLength] = [strlen($token), strlen($cookie ?? '')];
        $this->check($this->c->jwtkeeper_revoke_token($this->client, $token, $length, $cookie, $cookieLength, $this->reply));
        header_remove('Authorization');
        $this->check($this->c->jwtkeeper_cookie_clear($this->client, $this->reply));
        $this->setCookie();
    }

    /**
     * Lets through who has a valid token, and rotates one that is due: $regenerate is given the old claims (JSON) and
     * gives new ones, or null to carry the old over. Who has none is answered 401, whoever cannot be judged now 503, and
     * the script ends.
     */
    public function protect(?callable $regenerate = null): JwtKeeperSession
    {
        $authorization = $_SERVER['HTTP_AUTHORIZATION'] ?? '';
        $cookie = $this->cookie($_SERVER['HTTP_COOKIE'] ?? '');
        [$client, $length] = [$this->client, strlen($authorization)];
        $code = $this->c->jwtkeeper_session_authenticate(
            $client, $authorization, $length, $cookie, strlen($cookie ?? ''), $this->reply
        );
        if ($code === 0 && $this->c->jwtkeeper_reply_cause($this->reply) !== 0) {
            $claims = $regenerate === null ? null : $regenerate($this->show('claims'));
            $code = $this->c->jwtkeeper_session_rotate($client, $claims, strlen($claims ?? ''), $this->reply);
        }
        $status = $this->c->jwtkeeper_reply_status($this->reply);
        if ($status === 200) {
            $token = $this->show('token');
            $claims = $this->show('claims');
            if ($token === null) {
                return new JwtKeeperSession($claims, $this->show('presented'), $cookie);
            }
            $this->send();
            return new JwtKeeperSession($claims, $token, $this->show('cookie_value'));
        }
        if ($code !== 0) {
            error_log('jwtkeeper: ' . $this->show('message'));
        }
        http_response_code($status);
        if ($status === 401) {
            header_remove('Authorization');
            header('WWW-Authenticate: ' . $this->show('challenge'));
            $this->setCookie();
        } elseif ($status === 503) {
            header('Retry-After: 1');
        }
        exit;
    }

    /** Frees what C holds, when the script ends. */
    /** A copy would free the client of the original. Make another, or share the one. */
    private function __clone()
    {
    }

    public function __destruct()
    {
        if (isset($this->client)) {
            $this->c->jwtkeeper_reply_free($this->reply);
            $this->c->jwtkeeper_client_free($this->client);
        }
    }

    public function version(): string
    {
        return $this->c->jwtkeeper_version();
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

    private function send(): void
    {
        header('Authorization: ' . $this->show('authorization'));
        $this->setCookie();
    }

    /** Sends the reply's cookie, if it has one, in the place of an earlier one. */
    private function setCookie(): void
    {
        $line = $this->show('set_cookie');
        if ($line === null) {
            return;
        }
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

    /** The lock cookie's value in a Cookie header. What C finds is a part of the header, and has its end in length. */
    private function cookie(#[\SensitiveParameter] string $header): ?string
    {
        $bytes = $this->c->new('char[' . (strlen($header) + 1) . ']');
        FFI::memcpy($bytes, $header, strlen($header));
        $found = $this->c->jwtkeeper_cookie_find($this->client, $bytes, strlen($header), FFI::addr($this->length));
        return $found === null ? null : substr($found, 0, $this->length->cdata);
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
