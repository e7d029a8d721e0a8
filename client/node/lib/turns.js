'use strict';

// How many calls of this process wait for the daemon at once. They wait on libuv's pool, which fs, dns and all worker
// threads use too: one of its threads is left to those, so that a daemon that stalls holds up nothing else.

const { getEnvironmentData, isMainThread, setEnvironmentData } = require('node:worker_threads');
const { failure } = require('./library');

const TIMEOUT = 301;
const KEY = 'jwtkeeper.turns';
/** The pool's size that libuv takes unless told otherwise. */
const POOL = 4;
/** Milliseconds after which a thread that waits looks for a turn again: other threads return theirs without a word. */
const LOOK_AGAIN = 2;
/** After so many turns of its own a thread leaves one to the others. */
const ROUND = 16;
/** Milliseconds in which a call reports its own error at the deadline. */
const GRACE = 50;
/** Milliseconds after its deadline at which a call is over, whatever became of its thread. */
const LEASE = 10_000;

/**
 * Memory that the worker threads share: worker threads inherit the environment data of the thread that starts them.
 * A worker that nobody gave any, because its parent has not loaded this package, allows itself one call at a time.
 */
function shared() {
  let buffer = getEnvironmentData(KEY);
  if (!(buffer instanceof SharedArrayBuffer)) {
    const pool = Number(process.env.UV_THREADPOOL_SIZE) || POOL;
    const turns = isMainThread ? Math.max(1, pool - 1) : 1;
    buffer = new SharedArrayBuffer(8 * turns);
    setEnvironmentData(KEY, buffer);
  }
  return buffer;
}

/** Milliseconds by a clock that is the same in all threads. */
const now = () => Number(process.hrtime.bigint() / 1_000_000n);

class Turns {
  /** Of each turn: when the call that has it is over at the latest; 0 when it is free. */
  #leases;
  #waiting = new Set();
  #looks = false;
  #returned = 0;
  /** Set while this thread leaves its turns to others. */
  #yields = false;

  constructor(buffer) {
    this.#leases = new BigInt64Array(buffer);
  }

  /**
   * Runs `begin` with the milliseconds that are left, once it has a turn; its promise ends the turn. Rejects at the
   * deadline. `begin` then goes on alone.
   */
  async run(begin, deadline) {
    const end = now() + deadline;
    const turn = (this.#yields ? undefined : this.#take(end)) ?? (await this.#wait(end, deadline));
    let call;
    try {
      call = begin(Math.max(1, end - now()));
    } catch (error) {
      this.#giveBack(turn);
      throw error;
    }
    const over = call.finally(() => this.#giveBack(turn));
    return this.#until(over, end, deadline);
  }

  #until(over, end, deadline) {
    return new Promise((resolve, reject) => {
      const late = () => reject(failure(TIMEOUT, `no answer within ${deadline} ms`));
      const timer = setTimeout(late, end - now() + GRACE);
      over.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  #take(end) {
    const time = BigInt(now());
    const lease = BigInt(2 * end) - time + BigInt(LEASE);
    for (let index = 0; index < this.#leases.length; index++) {
      const held = Atomics.load(this.#leases, index);
      if (held < time && Atomics.compareExchange(this.#leases, index, held, lease) === held) {
        return { index, lease };
      }
    }
    return undefined;
  }

  #giveBack({ index, lease }) {
    Atomics.compareExchange(this.#leases, index, lease, 0n);
    this.#returned += 1;
    if (this.#returned % ROUND === 0 && this.#waiting.size > 0) {
      this.#yields = true;
      setTimeout(() => {
        this.#yields = false;
        this.#look();
      }, 2 * LOOK_AGAIN);
    } else {
      this.#look();
    }
  }

  #wait(end, deadline) {
    return new Promise((resolve, reject) => {
      const waiter = { end, resolve };
      const late = () => {
        this.#waiting.delete(waiter);
        const why = 'the daemon stalls, or UV_THREADPOOL_SIZE is small';
        reject(failure(TIMEOUT, `no turn came within ${deadline} ms: ${why}`));
      };
      waiter.timer = setTimeout(late, end - now());
      this.#waiting.add(waiter);
      this.#look();
    });
  }

  /** Gives turns to those that wait, in their order. */
  #look() {
    for (const waiter of this.#waiting) {
      const turn = this.#yields ? undefined : this.#take(waiter.end);
      if (!turn) {
        return this.#lookLater();
      }
      this.#waiting.delete(waiter);
      clearTimeout(waiter.timer);
      waiter.resolve(turn);
    }
    return undefined;
  }

  #lookLater() {
    if (this.#looks || this.#waiting.size === 0) {
      return;
    }
    this.#looks = true;
    setTimeout(() => {
      this.#looks = false;
      this.#look();
    }, LOOK_AGAIN);
  }
}

module.exports = { Turns, turns: new Turns(shared()) };
