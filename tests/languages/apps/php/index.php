<?php
// The conformance app of PHP: what tests/session_flow.json says, with examples/php's session flow.

declare(strict_types=1);
require __DIR__ . '/../../../../examples/php/jwtkeeper.php';

if (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) === '/open') {
    echo 'open';
    return;
}
$keeper = new JwtKeeper(
    getenv('JWTKEEPER_TEST_REALM'),
    (int) getenv('JWTKEEPER_TEST_DEADLINE_MS'),
    __DIR__ . '/../../../../client/capi/include/jwtkeeper.h'
);
$session = $keeper->protect(fn (string $old): ?string => $_SERVER['HTTP_X_REGENERATE'] ?? null);
header('Content-Type: application/json');
header('Cache-Control: public, max-age=60'); // a response with a token is not stored all the same
echo $session->claims;
