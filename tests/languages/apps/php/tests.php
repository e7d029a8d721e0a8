<?php
// The PHP client against a real daemon (JWTKEEPER_SOCKET): wrong values, misuse, and the primitive under `protect`.
// Prints `passed` at its end.

declare(strict_types=1);
require __DIR__ . '/../../../../examples/php/jwtkeeper.php';

const HEADER = __DIR__ . '/../../../../client/capi/include/jwtkeeper.h';

function same(mixed $expected, mixed $actual, string $what): void
{
    if ($expected !== $actual) {
        throw new Exception("$what: expected " . var_export($expected, true) . ', got ' . var_export($actual, true));
    }
}

function fails(string $class, string $text, callable $work): void
{
    try {
        $work();
    } catch (Throwable $error) {
        same(true, $error instanceof $class && str_contains($error->getMessage(), $text), get_class($error) . ': ' . $error->getMessage());
        return;
    }
    throw new Exception("nothing was thrown for $text");
}

$make = fn (mixed ...$options): JwtKeeper => new JwtKeeper(...$options, header: HEADER);
$keeper = $make();
$token = trim(file_get_contents('php://stdin'));
$with = fn (string $token): array => ['HTTP_AUTHORIZATION' => "Bearer $token"];

// Wrong values are refused by name.
foreach ([0, -1, PHP_INT_MAX] as $wrong) {
    fails(ValueError::class, 'deadlineMs', fn () => $make(deadlineMs: $wrong));
}
fails(TypeError::class, 'deadlineMs', fn () => $make(deadlineMs: NAN));
foreach ([-1, 2 ** 32] as $wrong) {
    fails(ValueError::class, 'serverUid', fn () => $make(serverUid: $wrong));
}
fails(ValueError::class, 'ttl', fn () => $keeper->login([], -1));
fails(TypeError::class, 'ttl', fn () => $keeper->login([], 2 ** 64 + 5));
fails(Error::class, 'Unknown named parameter $deadline', fn () => $make(deadline: 5));

// What is no token is not valid.
foreach (['', "\0", 42, null, "\xed\xa0\x80", [], str_repeat('a', 200_000)] as $odd) {
    same(false, $keeper->validate($odd), 'an odd token');
}

// The primitive.
same(true, $keeper->validate($token), 'the token is valid');
$outcome = $keeper->authenticate($with($token), fn (string $old): ?string => $keeper->validate('a.b.c') ? null : '{"role":"new"}');
same([200, 'new'], [$outcome->status, $outcome->session->decode()->role], 'rotated, though the function asked the daemon');
same($outcome->session->decode(), $outcome->session->decode(), 'parsed once');
same('Bearer ' . $outcome->session->token(), $outcome->headers['Authorization'], 'the successor');
same('no-store', $outcome->headers['Cache-Control'], 'it is not to be stored');
ob_start();
var_dump($outcome);
same(false, str_contains(ob_get_clean(), $outcome->session->token()), 'no token is shown');
$refused = $keeper->authenticate($with('a.b.c'));
same([401, 'malformed', null], [$refused->status, $refused->reason, $refused->session], 'refused');
same([401, null, ['WWW-Authenticate' => 'Bearer']], [($none = $keeper->authenticate([]))->status, $none->reason, $none->headers], 'no token');

// In a server that keeps the object, an outage is logged once while failures and answers alternate.
ini_set('error_log', $log = tempnam(sys_get_temp_dir(), 'log'));
$worker = $make();
$report = fn (int $status, ?string $message) => (new ReflectionMethod($worker, 'report'))
    ->invoke($worker, new JwtKeeperOutcome($status, null, $status === 401 ? 'expired' : null, $message, []));
for ($round = 0; $round < 10; $round++) {
    array_map($report, [503, 401, 503, 500], ['timeout', null, 'overloaded', 'no such realm']);
}
$outages = new ReflectionProperty($worker, 'outages');
$earlier = ['last' => hrtime(true) - 1_000_000_000];
$outages->setValue($worker, array_map(fn (array $outage) => $earlier + $outage, $outages->getValue($worker)));
array_map($report, [401, 401, 200, 200], [null, null, 'forbidden', 'forbidden']);
ini_set('error_log', '');
$expected = [
    'does not answer; requests get 503 until it does: timeout',
    'overloaded',
    'requests get 500: no such realm',
    'answers again: 30 requests',
    'rotation is put off: forbidden',
];
$lines = file($log);
same(count($expected), count($lines), implode($lines));
foreach ($expected as $number => $text) {
    same(true, str_contains($lines[$number], $text), $lines[$number]);
}
unlink($log);

// Misuse is an error.
fails(JwtKeeperError::class, 'serialized', fn () => serialize($keeper));
fails(Error::class, '__clone', fn () => clone $keeper);
$other = $make();
$other->__destruct();
$other->__destruct();
$unmade = (new ReflectionClass(JwtKeeper::class))->newInstanceWithoutConstructor();
foreach (['closed' => $other, 'never constructed' => $unmade] as $what => $client) {
    fails(JwtKeeperError::class, $what, fn () => $client->validate('a.b.c'));
    fails(JwtKeeperError::class, $what, fn () => $client->login([]));
    fails(JwtKeeperError::class, $what, fn () => $client->authenticate([]));
    fails(JwtKeeperError::class, $what, fn () => $client->protect());
    fails(JwtKeeperError::class, $what, fn () => $client->logout(new JwtKeeperSession('{}', 'a.b.c', null)));
}
fails(JwtKeeperError::class, 'never constructed', fn () => $unmade->version());
same($keeper->version(), $other->version(), 'a closed client knows its version');
// Objects that refer to each other are destroyed in any order when the script ends.
$ring = new stdClass();
[$ring->keeper, $ring->self] = [$make(), $ring];
register_shutdown_function(fn () => $ring->keeper->validate('a.b.c'));

// A library without a function of the header.
$old = tempnam(sys_get_temp_dir(), 'old');
$cc = popen('cc -shared -o ' . escapeshellarg($old) . ' -x c -', 'w');
fwrite($cc, 'int jwtkeeper_none;');
pclose($cc);
putenv("JWTKEEPER_LIBRARY=$old");
fails(JwtKeeperError::class, 'of the same release', fn () => $make());
unlink($old);
echo "passed\n";
