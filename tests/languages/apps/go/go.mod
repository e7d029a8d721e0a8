module conformance

go 1.19

require jwtkeeper.example v0.0.0

replace jwtkeeper.example => ../../../../examples/go
