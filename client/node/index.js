'use strict';

// The client of jwtkeeperd, which alone holds the keys that sign a host's JSON Web Tokens, over libjwtkeeper by koffi.
// docs/languages.md is the manual, index.d.ts the contract.

const { Client } = require('./lib/client');
const { sessions } = require('./lib/express');
const errors = require('./lib/errors');
const { Cookie, Minted, Verdict } = require('./lib/answers');
const { Outcome, Session } = require('./lib/session');
const { version } = require('./lib/library');

module.exports = { Client, sessions, ...errors, Cookie, Minted, Verdict, Session, Outcome, version };
