'use strict';

// How many calls of this process wait for the daemon at once. They wait on libuv's pool, which fs, dns and all worker
// threads use too: one of its threads is left to those, so that a daemon that stalls holds up nothing else.

const { getEnvironmentData, isMainThread, setEnvironmentData, threadId } = require('node:worker_threads');
const { failure } = require('./library');

const TIMEOUT = 301;
const KEY = 'jwtkeeper.turns';
/** The pool's size that libuv takes unless told otherwise. */
const POOL = 4;
/** Milliseconds after which a thread that waits looks for a turn again: other threads do not notify this one. */
const LOOK_AGAIN = 2;
/** After so many turns of its own a thread pauses, if another thread waits. */
const ROUND = 16;
/** Moments at which a thread waited in vain: of two threads, so that each thread can see one of another. */
const WAITS = 2;
/** Bits of a thread's id beside a time. */
const ID_BITS = 20n;
/** Milliseconds in which a call reports its own error at the deadline. */
const GRACE = 50;
/** Milliseconds for which a turn is leased, and the interval of renewals: turns of a thread that died are free again soon. */
const LEASE = 500;
const RENEW = 100;

/**
 * Memory that the worker threads share: worker threads inherit the environment data of the thread that starts them.
 * A worker that nobody gave any, because its parent has not loaded this package, allows itself one call at a time.
 */
function shared() {
  let buffer = getEnvironmentData(KEY);
  if (!(buffer instanceof SharedArrayBuffer)) {
    const pool = Number(process.env.UV_THREADPOOL_SIZE) || POOL;
    const turns = isMainThread ? Math.max(1, pool - 1) : 1;
    buffer = new SharedArrayBuffer(8 * (WAITS + turns));
    setEnvironmentData(KEY, buffer);
  }
  return buffer;
}

/** Milliseconds by a clock that is the same in all threads. */
const now = () => Number(process.hrtime.bigint() / 1_000_000n);

const timeOf = (stamp) => Number(stamp >> ID_BITS);
const isRecent = (stamp, time) => timeOf(stamp) > time - 4 * LOOK_AGAIN;

class Turns {
  /** Stamps of the moments at which threads last waited in vain. */
  #waits;
  /** Of each turn: the stamp of its lease's end; 0 when it is free. */
  #leases;
  #held = new Set();
  #renewal;
  #waiting = new Set();
  #looks = false;
  #returned = 0;
  /** Set while this thread leaves its turns to others. */
  #yields = false;

  #thread;

  constructor(buffer, thread = threadId) {
    this.#waits = new BigInt64Array(buffer, 0, WAITS);
    this.#leases = new BigInt64Array(buffer, 8 * WAITS);
    this.#thread = BigInt.asUintN(Number(ID_BITS), BigInt(thread));
  }

  /**
   * Runs `begin` with the milliseconds that are left, once it has a turn; its promise ends the turn. Rejects at the
   * deadline. `begin` then goes on alone.
   */
  async run(begin, deadline) {
    const end = now() + deadline;
    const turn = (this.#yields ? undefined : this.#take()) ?? (await this.#wait(end, deadline));
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

  #take() {
    const time = now();
    const lease = this.#stamp(time + LEASE);
    for (let index = 0; index < this.#leases.length; index++) {
      const held = Atomics.load(this.#leases, index);
      if (timeOf(held) < time && Atomics.compareExchange(this.#leases, index, held, lease) === held) {
        const turn = { index, lease };
        this.#held.add(turn);
        this.#renewal ??= setInterval(() => this.#renew(), RENEW).unref();
        return turn;
      }
    }
    this.#noteWait(time);
    return undefined;
  }

  /** A time with this thread's id: two threads never have the same stamp. */
  #stamp(time) {
    return (BigInt(time) << ID_BITS) | this.#thread;
  }

  /** Takes the first place if it is this thread's or old, otherwise the second. Waiting threads repeat it. */
  #noteWait(time) {
    const first = Atomics.load(this.#waits, 0);
    const free = this.#isOwn(first) || !isRecent(first, time);
    Atomics.store(this.#waits, free ? 0 : 1, this.#stamp(time));
  }

  #isOwn(stamp) {
    return BigInt.asUintN(Number(ID_BITS), stamp) === this.#thread;
  }

  #renew() {
    for (const turn of this.#held) {
      const lease = this.#stamp(now() + LEASE);
      if (Atomics.compareExchange(this.#leases, turn.index, turn.lease, lease) === turn.lease) {
        turn.lease = lease;
      }
    }
  }

  /** Returns true if another thread waited in vain a moment ago. */
  #othersWait() {
    const time = now();
    const others = (stamp) => !this.#isOwn(stamp) && isRecent(stamp, time);
    return others(Atomics.load(this.#waits, 0)) || others(Atomics.load(this.#waits, 1));
  }

  #giveBack(turn) {
    Atomics.compareExchange(this.#leases, turn.index, turn.lease, 0n);
    this.#held.delete(turn);
    if (this.#held.size === 0) {
      clearInterval(this.#renewal);
      this.#renewal = undefined;
    }
    this.#returned += 1;
    if (this.#returned % ROUND === 0 && this.#waiting.size > 0 && this.#othersWait()) {
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
      const waiter = { resolve };
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
      const turn = this.#yields ? undefined : this.#take();
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
