<?php
// Login, profile and logout. Run `make run` in another terminal, and then in the project's root:
//
//   JWTKEEPER_SOCKET=target/dev/jwtkeeper.sock JWTKEEPER_LIBRARY=target/release/libjwtkeeper.so \
//     JWTKEEPER_HEADER=client/capi/include/jwtkeeper.h php examples/php/serve.php examples/php/index.php
//
//   curl -i -d '{"user":"demo","password":"demo"}' localhost:8080/login
//   TOKEN=...          # what stands behind "Authorization: Bearer" there
//   curl -i -H "Authorization: Bearer $TOKEN" localhost:8080/profile
//   target/release/jwtkeeperctl --socket target/dev/jwtkeeper.sock flag --subject demo   # the next profile brings a new token
//   curl -i -H "Authorization: Bearer $TOKEN" -X POST localhost:8080/logout

declare(strict_types=1);
require __DIR__ . '/jwtkeeper.php';

$keeper = new JwtKeeper(deadlineMs: 2000, header: getenv('JWTKEEPER_HEADER') ?: null);
try {
    switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
        case '/login':
            $login = json_decode(file_get_contents('php://input'), true) ?? [];
            if (($login['user'] ?? null) !== 'demo' || ($login['password'] ?? null) !== 'demo') {
                http_response_code(401);
                break;
            }
            $keeper->login(['sub' => $login['user']]);
            http_response_code(204);
            break;
        case '/profile':
            $session = $keeper->protect();
            header('Content-Type: application/json');
            echo json_encode(['user' => $session->decode()->sub]);
            break;
        case '/logout':
            $keeper->logout($keeper->protect());
            http_response_code(204);
            break;
        default:
            http_response_code(404);
    }
} catch (JwtKeeperError $error) {
    error_log('jwtkeeper: ' . $error->getMessage());
    header('Retry-After: 1');
    http_response_code(503);
}
