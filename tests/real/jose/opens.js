// node-jose opens what was sealed, and refuses it after any one bit was flipped.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const jose = require('node-jose');
const {check, refused} = require('./check.js');

/** How many messages of a file are tried with flipped bits. */
const FLIPPED = 3;

async function open(jwe, jwk) {
  const key = await jose.JWK.asKey(jwk);
  const result = await jose.JWE.createDecrypt(key).decrypt(jwe);
  return result.plaintext.toString('utf8');
}

/** Whether the message has the one form that is written: dir, A256GCM, no kid. */
function form(jwe) {
  const parts = jwe.split('.');
  assert.equal(parts.length, 5);
  const bytes = parts.map((part) => Buffer.from(part, 'base64url'));
  parts.forEach((part, place) => assert.equal(bytes[place].toString('base64url'), part));
  assert.deepEqual(JSON.parse(bytes[0].toString('utf8')), {alg: 'dir', enc: 'A256GCM'});
  assert.deepEqual([bytes[1].length, bytes[2].length, bytes[4].length], [0, 12, 16]);
}

/** Every message that differs from `jwe` in one bit of one decoded byte. */
function* flips(jwe) {
  const parts = jwe.split('.');
  for (let place = 0; place < parts.length; place += 1) {
    const bytes = Buffer.from(parts[place], 'base64url');
    for (let at = 0; at < bytes.length; at += 1) {
      const altered = Buffer.from(bytes);
      altered[at] ^= 1 << (at % 8);
      const all = [...parts];
      all[place] = altered.toString('base64url');
      yield {place, at, jwe: all.join('.')};
    }
  }
}

async function flipped(jwe, jwk) {
  let tried = 0;
  for (const flip of flips(jwe)) {
    const {place, at} = flip;
    await refused(() => open(flip.jwe, jwk)).catch(() => {
      throw new Error(`opens with a flipped bit in byte ${at} of part ${place}`);
    });
    tried += 1;
  }
  assert.ok(tried >= 28, `only ${tried} bits were flipped`);
}

/** Checks lines of `{jwe, jwk, plain}`. */
async function lines(name, items) {
  assert.ok(items.length > 0, `${name} is empty`);
  await check(`${name}: ${items.length} open with what was sealed`, async () => {
    for (const [place, item] of items.entries()) {
      form(item.jwe);
      assert.equal(await open(item.jwe, item.jwk), item.plain, `line ${place + 1}`);
    }
  });
  await check(`${name}: no two have an IV in common`, () => {
    const seen = new Set(items.map((item) => `${item.jwk.k} ${item.jwe.split('.')[2]}`));
    assert.equal(seen.size, items.length);
  });
  for (const [place, item] of items.slice(0, FLIPPED).entries()) {
    await check(`${name}: line ${place + 1} with any byte altered is refused`, () =>
      flipped(item.jwe, item.jwk));
  }
}

async function file(path) {
  await check(`${path} can be read`, async () => {
    const text = fs.readFileSync(path, 'utf8');
    const items = text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
    await lines(path, items);
  });
}

module.exports = {file, flipped, lines, open};
