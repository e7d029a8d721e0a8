'use strict';

// Why a call has no answer. None of these says anything of the token that was asked about.

class JwtKeeperError extends Error {
  constructor(code, codeName, message) {
    super(message);
    this.name = this.constructor.name;
    this.code = code;
    this.codeName = codeName;
  }

  /** Another try may well be answered. */
  get temporary() {
    return false;
  }
}

class Temporary extends JwtKeeperError {
  get temporary() {
    return true;
  }
}

class Unreachable extends Temporary {}
class Timeout extends Temporary {}
class Unavailable extends Temporary {}
class NotPermitted extends JwtKeeperError {}
class BadRequest extends JwtKeeperError {}
class ReloadRefused extends JwtKeeperError {}
class ProtocolError extends JwtKeeperError {}

const BY_CODE = {
  300: Unreachable,
  301: Timeout,
  302: ProtocolError,
  303: BadRequest,
  304: NotPermitted,
  310: BadRequest,
  400: NotPermitted,
  500: Unavailable,
  501: Unavailable,
  502: Unavailable,
  504: Unavailable,
  505: ReloadRefused,
};
const FAMILIES = { 1: ProtocolError, 2: BadRequest };

/** The error of a code of jwtkeeper.h. */
function errorOf(code, codeName, message) {
  const Kind = BY_CODE[code] ?? FAMILIES[Math.floor(code / 100)] ?? JwtKeeperError;
  return new Kind(code, codeName, message);
}

module.exports = {
  JwtKeeperError,
  Unreachable,
  Timeout,
  Unavailable,
  NotPermitted,
  BadRequest,
  ReloadRefused,
  ProtocolError,
};
Object.defineProperty(module.exports, 'errorOf', { value: errorOf, enumerable: false });
