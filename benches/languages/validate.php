<?php
// A load of validates, in PHP: reads a token from stdin, validates it for --seconds (2 unless told otherwise), and prints
// what that came to as one line of JSON. With --begin it prints `begun` after the first answer.

declare(strict_types=1);
require __DIR__ . '/../../examples/php/jwtkeeper.php';

$options = getopt('', ['seconds:', 'begin']);
$seconds = (float) ($options['seconds'] ?? 2);
$token = trim(fgets(STDIN));
$keeper = new JwtKeeper(header: __DIR__ . '/../../client/capi/include/jwtkeeper.h');

$start = hrtime(true);
for ($i = 0; $i < 100_000; $i++) {
    $keeper->version();
}
$ffi = (hrtime(true) - $start) / 100_000;

$times = [];
$errors = 0;
$start = hrtime(true);
while (($before = hrtime(true)) - $start < $seconds * 1e9) {
    try {
        $errors += $keeper->validate($token) ? 0 : 1;
    } catch (JwtKeeperError) {
        $errors++;
    }
    $times[] = (hrtime(true) - $before) / 1000;
    if (isset($options['begin']) && count($times) === 1) {
        echo "begun\n";
    }
}
$taken = (hrtime(true) - $start) / 1e9;
sort($times);
$at = fn (float $share): float => $times[(int) ((count($times) - 1) * $share)];
echo json_encode([
    'calls' => count($times), 'errors' => $errors, 'seconds' => $taken,
    'p50_us' => $at(0.5), 'p99_us' => $at(0.99), 'max_us' => $at(1), 'ffi_ns' => $ffi,
]), "\n";
