// What the tests share: a real daemon in a directory of its own, and one that never answers.

import { spawn, execFileSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';

const PATIENCE = 60_000;

/** Polls a condition, with a deadline. */
export async function until(what, condition) {
  const deadline = Date.now() + PATIENCE;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${PATIENCE} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const directory = () => mkdtempSync(join(tmpdir(), 'jwtkeeper-'));

function listens(socket) {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.on('connect', () => resolve(probe.end() !== undefined));
    probe.on('error', () => resolve(false));
  });
}

/** A daemon with the realms default (locked), shop, and keys (ES256). */
export class Daemon {
  static async start() {
    const daemon = new Daemon();
    daemon.directory = directory();
    daemon.socket = join(daemon.directory, 'jwtkeeper.sock');
    const [config, key] = [join(daemon.directory, 'jwtkeeper.toml'), join(daemon.directory, 'key.pem')];
    const secret = 'a secret of the tests, long enough for every hash: 0123456789abcdef';
    writeFileSync(join(daemon.directory, 'secret'), secret, { mode: 0o600 });
    execFileSync('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', key], {
      stdio: 'ignore',
    });
    mkdirSync(join(daemon.directory, 'state'));
    writeFileSync(
      config,
      `socket = "${daemon.socket}"\nstate_dir = "${join(daemon.directory, 'state')}"\n` +
        '[realms.default]\nalgorithm = "HS256"\nsecret_file = "secret"\ncookie_lock = "required"\n' +
        '[realms.shop]\nalgorithm = "HS256"\nsecret_file = "secret"\n' +
        '[realms.keys]\nalgorithm = "ES256"\nkey_file = "key.pem"\n',
    );
    const program = process.env.JWTKEEPERD;
    execFileSync(program, ['--config', config, '--init'], { stdio: 'ignore' });
    daemon.process = spawn(program, ['--config', config], { stdio: 'ignore' });
    await until('the daemon listens', () => listens(daemon.socket));
    return daemon;
  }

  async stop() {
    this.process.kill();
    await once(this.process, 'exit');
    rmSync(this.directory, { recursive: true });
  }
}

/** Takes connections, and never says a word. */
export async function silent() {
  const place = directory();
  const socket = join(place, 'silent.sock');
  const held = new Set();
  const server = createServer((connection) => {
    held.add(connection);
    connection.on('error', () => {});
  }).listen(socket);
  await once(server, 'listening');
  const close = async () => {
    held.forEach((connection) => connection.destroy());
    server.close();
    await once(server, 'close');
    rmSync(place, { recursive: true });
  };
  return { socket, close };
}
