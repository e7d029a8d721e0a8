//! jwtkeeper
