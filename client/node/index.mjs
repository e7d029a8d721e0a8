import jwtkeeper from './index.js';

export const {
  Client,
  sessions,
  JwtKeeperError,
  Unreachable,
  Timeout,
  Unavailable,
  NotPermitted,
  BadRequest,
  ReloadRefused,
  ProtocolError,
  Cookie,
  Minted,
  Verdict,
  Session,
  Outcome,
  version,
} = jwtkeeper;
export default jwtkeeper;
