<?php
// Runs PHP's own server on a script, at the port in PORT (0: any), and says where it listens once it does.

declare(strict_types=1);

$port = getenv('PORT') === false ? 8080 : (int) getenv('PORT');
$says = $argv[2] ?? 'listening on http://127.0.0.1:';
$settings = ['-d', 'ffi.enable=1', '-d', 'log_errors=1', '-d', 'display_errors=0'];
$command = [PHP_BINARY, ...$settings, '-S', "127.0.0.1:$port", $argv[1]];
$server = proc_open($command, [STDIN, STDOUT, ['pipe', 'w']], $pipes);
while (($line = fgets($pipes[2])) !== false) {
    // The port that the system gave is in the line that the server begins with.
    if (preg_match('~Development Server \(http://127\.0\.0\.1:(\d+)\) started~', $line, $found)) {
        echo $says, $found[1], "\n";
    } else {
        fwrite(STDERR, $line);
    }
}
exit(proc_close($server));
