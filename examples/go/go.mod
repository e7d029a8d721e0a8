module jwtkeeper.example

go 1.19
