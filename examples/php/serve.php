<?php
// Runs PHP's own server on a script, at the port in PORT (0: any), and says where it listens once it does.

declare(strict_types=1);

$port = getenv('PORT') === false ? 8080 : (int) getenv('PORT');
if ($port === 0) {
    $any = stream_socket_server('tcp://127.0.0.1:0');
    $port = (int) substr(strrchr(stream_socket_get_name($any, false), ':'), 1);
    fclose($any);
}
$settings = ['-d', 'ffi.enable=1', '-d', 'log_errors=1', '-d', 'display_errors=0'];
$server = proc_open([PHP_BINARY, ...$settings, '-S', "127.0.0.1:$port", $argv[1]], [STDIN, STDOUT, STDERR], $pipes);
while (!($probe = @fsockopen('127.0.0.1', $port)) && proc_get_status($server)['running']) {
    usleep(10_000);
}
if ($probe) {
    fclose($probe);
    echo $argv[2] ?? 'listening on http://127.0.0.1:', $port, "\n";
}
exit(proc_close($server));
