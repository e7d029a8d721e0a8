'use strict';

// Options and arguments, checked: a wrong one is refused by its name, and never wrapped or ignored.

/** Throws for an unknown option. */
function known(given, names, where) {
  if (given === null || typeof given !== 'object') {
    throw new TypeError(`${where} must be an object`);
  }
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) {
      throw new TypeError(`unknown option ${name}; ${where} takes ${names.join(', ')}`);
    }
  }
}

/** A whole number within bounds. */
function whole(name, value, least, most, unit = '') {
  if (typeof value !== 'number') {
    throw new TypeError(`${name} must be a number`);
  }
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name} must be a whole number${unit} from ${least} to ${most}, not ${value}`);
  }
  return value;
}

/** Setting a timer for 2^31 ms fires it at once; a second is spared for what is added to deadlines. */
const LONGEST = 2 ** 31 - 1001;
const span = (name, value) => whole(name, value, 1, LONGEST, ' of milliseconds');
const seconds = (name, value) => whole(name, value, 0, Number.MAX_SAFE_INTEGER, ' of seconds');

/** Text that names something: it must not be altered. */
function text(name, value) {
  if (typeof value !== 'string') {
    throw new TypeError(`${name} must be a string`);
  }
  if (/\p{Surrogate}/u.test(value)) {
    throw new TypeError(`${name} holds a lone surrogate`);
  }
  return value;
}

function callable(name, value) {
  if (value !== undefined && typeof value !== 'function') {
    throw new TypeError(`${name} must be a function`);
  }
  return value;
}

/** What a browser sent for a token or cookie, whatever it is: what cannot be one is judged as an empty one. */
function presented(value) {
  return typeof value === 'string' || value instanceof Uint8Array ? value : '';
}

module.exports = { known, whole, span, seconds, text, callable, presented };
