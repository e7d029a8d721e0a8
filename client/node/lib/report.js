'use strict';

// What middleware logs: an outage by a line at its start and one at its end, and another fault at most once a minute. A
// line for each request would fill the disk while the daemon is away.

/** Milliseconds for which the daemon must have answered for an outage to be over. */
const QUIET = 1000;
const AGAIN = 60_000;
const MOST_FAULTS = 16;

class Reporter {
  #log;
  #refused = 0;
  #began = 0;
  #last = 0;
  /** Of each fault: when it was last logged, and the lines left out since. */
  #faults = new Map();

  constructor(log) {
    this.#log = log;
  }

  /** Notes what a request came to. */
  note({ status, error, putOff }) {
    if (status === 503) {
      this.#unavailable(error);
      return;
    }
    if (status === 500) {
      this.#fails(`requests fail: ${error.message}`);
      return;
    }
    this.#answered();
    if (putOff) {
      this.#fails(`rotation is put off: ${putOff}`);
    }
  }

  #unavailable(error) {
    this.#last = performance.now();
    this.#refused += 1;
    if (this.#refused === 1) {
      this.#began = this.#last;
      this.#log(`jwtkeeperd does not answer; requests get 503 until it does: ${error.message}`);
    }
  }

  #answered() {
    if (this.#refused > 0 && performance.now() - this.#last >= QUIET) {
      const lasted = Math.round(this.#last - this.#began);
      this.#log(`jwtkeeperd answers again: ${this.#refused} requests got 503 within ${lasted} ms`);
      this.#refused = 0;
    }
  }

  #fails(fault) {
    const logged = this.#faults.get(fault);
    if (logged && performance.now() - logged.at < AGAIN) {
      logged.omitted += 1;
      return;
    }
    const omitted = logged?.omitted ? ` (${logged.omitted} repeated lines were left out)` : '';
    if (this.#faults.size >= MOST_FAULTS) {
      this.#faults.clear();
    }
    this.#faults.set(fault, { at: performance.now(), omitted: 0 });
    this.#log(fault + omitted);
  }
}

/** The default of the option `log`. */
const warn = (message) => console.warn(`jwtkeeper: ${message}`);

module.exports = { Reporter, warn };
